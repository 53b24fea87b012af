//! What a cell begins with before its Rust: commands, shell lines, `%%time`.

/// The lines that a cell begins with and that are not Rust, and the rest.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What they say, in order.
    pub lines: Vec<Line>,
    /// The cell with empty lines in their place.
    pub rest: String,
    /// The last line says that another one belongs to it, and none follows.
    pub open: bool,
}

/// A line that is not Rust.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// `:name argument`.
    Command {
        /// The name, with its colon.
        name: String,
        /// What follows, without white space around it.
        argument: String,
    },
    /// `!command`.
    Shell(String),
    /// `%%time` and what else begins with a percent sign.
    Magic(String),
}

/// Takes the head off a cell. It ends with the first line of Rust that is no comment.
pub fn head(code: &str) -> Head {
    let mut head = Head::default();
    let mut lines = code.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let text = line.trim_end();
        let end_of_line = if line.ends_with('\n') { "\n" } else { "" };
        let trimmed = text.trim_start();
        if trimmed.starts_with(':') && !trimmed.starts_with("::") {
            let (name, argument) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
            let (name, argument) = (name.to_owned(), argument.trim().to_owned());
            head.lines.push(Line::Command { name, argument });
            head.rest.push_str(end_of_line);
        } else if let Some(command) = text.strip_prefix('!') {
            head.rest.push_str(end_of_line);
            head.shell(command, &mut lines);
        } else if text.starts_with('%') {
            head.lines.push(Line::Magic(text.to_owned()));
            head.rest.push_str(end_of_line);
        } else {
            head.rest.push_str(line);
            if !trimmed.is_empty() && !trimmed.starts_with("//") {
                break;
            }
        }
    }
    head.rest.extend(lines);
    head
}

impl Head {
    /// A shell line, and those that a backslash at its end adds.
    fn shell<'a>(&mut self, first: &str, lines: &mut impl Iterator<Item = &'a str>) {
        let mut command = first.trim_start().to_owned();
        while command.ends_with('\\') {
            let Some(line) = lines.next() else {
                self.open = true;
                break;
            };
            command.push('\n');
            command.push_str(line.trim_end());
            self.rest.push_str(if line.ends_with('\n') { "\n" } else { "" });
        }
        self.lines.push(Line::Shell(command));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str, argument: &str) -> Line {
        Line::Command { name: name.into(), argument: argument.into() }
    }

    #[test]
    fn the_head_leaves_the_lines_of_the_rest_where_they_are() {
        let found = head("\n// crates\n :dep a = \"1\" \n!ls -l\n\nlet x = 1;\n:vars\n");
        let shell = Line::Shell("ls -l".into());
        assert_eq!(found.lines, [command(":dep", "a = \"1\""), shell]);
        assert_eq!(found.rest, "\n// crates\n\n\n\nlet x = 1;\n:vars\n");
    }

    #[test]
    fn paths_attributes_and_indented_negations_are_rust() {
        for code in ["::std::mem::drop(1)", "#![allow(dead_code)]", "    !done"] {
            let found = head(code);
            assert_eq!((found.lines.len(), found.rest.as_str()), (0, code));
        }
    }

    #[test]
    fn a_backslash_continues_a_shell_line() {
        let found = head("!echo a \\\n  b\n%%time\n1");
        assert_eq!(found.lines, [Line::Shell("echo a \\\n  b".into()), Line::Magic("%%time".into())]);
        assert_eq!((found.rest.as_str(), found.open), ("\n\n\n1", false));
        assert!(head("!echo a \\").open);
    }
}
