# demo 1.2, gnuBuild: the phases, run in order by the last lines.

set -eu

phase_configure() (
  cd /build
  ./configure --static --prefix=@{out}
)

phase_build() (
  cd /build
  make -j"$ABN_CORES"
)

phase_check() (
  cd /build
  make -j"$ABN_CORES" check
)

phase_install() (
  cd /build
  make install
)

phase_fixup() (
  cd /build
  for output in @{out}; do
    [ -d "$output" ] || continue
    rm -f "$output/share/info/dir"
    find "$output" -name '*.la' -type f -exec rm -f {} +
    find "$output" -type f -perm -100 | while IFS= read -r file; do
      IFS= read -r line < "$file" || :
      case $line in
        '#!'*) ;;
        *) continue ;;
      esac
      set -f; set -- ${line#??}; set +f
      [ $# -gt 0 ] || continue
      if [ "${1##*/}" = env ] && [ $# -gt 1 ]; then shift; fi
      case $1 in
        /abn/store/*) continue ;;
        sh | */sh) program=/abn/store/busybox/bin/sh ;;
        *) program=$(command -v "${1##*/}" || :) ;;
      esac
      shift
      case $program in
        /*) sed -i "1s|.*|#!$program${*:+ $*}|" "$file" ;;
        *) echo "fixup: not in the tools, left as it is: $line ($file)" ;;
      esac
    done
  done
)

for phase in ${*:-configure build check install fixup}; do
  echo "phase: $phase"
  "phase_$phase"
done
