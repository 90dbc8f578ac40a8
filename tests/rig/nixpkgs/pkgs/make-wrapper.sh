# makeWrapper PROGRAM WRAPPER [--prefix VARIABLE BETWEEN VALUE | --add-flag FLAG | --run COMMAND]…
program=$1 wrapper=$2 flags=
shift 2
{
  echo "#!$BASH"
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix)
        echo "export $2=$4\${$2:+$3\$$2}"
        shift 4
        ;;
      --add-flag)
        flags="$flags $2"
        shift 2
        ;;
      --run)
        echo "$2"
        shift 2
        ;;
      *)
        echo "makeWrapper: $1 is unknown" >&2
        exit 1
        ;;
    esac
  done
  echo "exec $program$flags \"\$@\""
} > "$wrapper"
chmod +x "$wrapper"
