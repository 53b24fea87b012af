#!/bin/sh
# Cargo calls this in place of rustc, which is $1. A package that the cell library holds already is not
# compiled again: links to its library stand where cargo looks for what rustc makes, so that there is one of it
# in a session. $SCONCE_SHARED lists these packages, `name version file features…` a line; $SCONCE_LIBRARIES is
# where their files are.
rustc=$1
shift
crate= kind= folder= suffix= level= features= alone= previous=
for argument do
    case $previous in
        --crate-name) crate=$argument ;;
        --crate-type) case $argument in lib | rlib) kind=library ;; esac ;;
        --out-dir) folder=$argument ;;
        --cfg)
            case $argument in
                feature=*) feature=${argument#feature=\"} features="$features ${feature%\"}" ;;
            esac ;;
        --extern)
            # What depends on a crate of its own is one of its own.
            case $argument in
                *.rlib | *.rmeta) [ -L "${argument#*=}" ] || alone=${argument%%=*} ;;
            esac ;;
        -C)
            case $argument in
                opt-level=*) level=${argument#*=} ;;
                extra-filename=*) suffix=${argument#*=} ;;
            esac ;;
    esac
    previous=$argument
done

# Build scripts and macros are compiled without optimisation, and what they use is no part of the session.
if [ "$kind" = library ] && [ "$level" = 3 ]; then
    held= missing=
    while read -r name version file offered; do
        [ "$name" = "$CARGO_PKG_NAME" ] || continue
        held=$version
        [ "$version" = "$CARGO_PKG_VERSION" ] || continue
        missing=
        for feature in $features; do
            case " $offered " in
                *" $feature "*) ;;
                *) missing="$missing $feature" ;;
            esac
        done
        if [ -z "$missing$alone" ]; then
            ln -sf "$SCONCE_LIBRARIES/$file.rlib" "$folder/lib$crate$suffix.rlib" &&
                ln -sf "$SCONCE_LIBRARIES/$file.rmeta" "$folder/lib$crate$suffix.rmeta" &&
                : >"$folder/$crate$suffix.d"
            exit
        fi
    done <"$SCONCE_SHARED"
    case $CARGO_PKG_NAME in
        candle-* | sconce*)
            if [ -n "$held" ]; then
                why="version $CARGO_PKG_VERSION is wanted, and the session has $held"
                [ "$held" = "$CARGO_PKG_VERSION" ] && why="it is wanted with the features$missing, which the session's has not"
                [ -n "$alone" ] && why="it is wanted with another \`$alone\` than the session's"
                echo "sconce: there can be no second $CARGO_PKG_NAME in a session: $why" >&2
                exit 1
            fi ;;
    esac
fi
exec "$rustc" "$@" -L "dependency=$SCONCE_LIBRARIES"
