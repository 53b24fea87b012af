//! The assistant as a program: requests on stdin, answers on stdout, until stdin ends.

fn main() {
    sconce_assist::serve(std::io::stdin(), std::io::stdout());
}
