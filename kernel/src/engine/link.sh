#!/bin/sh
# rustc calls this to link a cell. What a cell uses of the cell library, std and the C library is in the process
# that loads it, so they need not be read here, and the link editor needs no C compiler to call it. What this
# does not know, or cannot do, is done by `cc`, whose messages are the ones to read.
quick() {
    count=$# takes=
    while [ "$count" -gt 0 ]; do
        argument=$1
        shift
        count=$((count - 1))
        if [ -n "$takes" ]; then
            takes=
            set -- "$@" "$argument"
            continue
        fi
        case $argument in
            -o | -L) takes=it && set -- "$@" "$argument" ;;
            -Xlinker) takes=it ;;
            -Wl,--version-script=*,*) return 1 ;;
            -Wl,--version-script=*) set -- "$@" "${argument#-Wl,}" ;;
            -Wl,--as-needed | -Wl,-Bdynamic | -Wl,-Bstatic | -Wl,--eh-frame-hdr | -Wl,--gc-sections) ;;
            -Wl,-z,noexecstack | -Wl,-z,relro | -Wl,-z,now | -Wl,-z,relro,-z,now) ;;
            -Wl,--no-undefined-version | -Wl,-O1 | -Wl,--strip-debug) ;;
            -shared | -m64 | -nodefaultlibs | -fuse-ld=* | -B*) ;;
            -lgcc_s | -lutil | -lrt | -lpthread | -lm | -ldl | -lc) ;;
            */libsconce_cell.so | */libstd-*.so) ;;
            *.o | *.rlib | *.so) set -- "$@" "$argument" ;;
            *) return 1 ;;
        esac
    done
    ld -shared --as-needed --eh-frame-hdr --gc-sections --hash-style=gnu -z noexecstack -z now "$@" 2>/dev/null
}
quick "$@" || exec cc "$@"
