# demo 1.2, gnuBuild: the phases, run in order by the last lines.

set -eu

phase_configure() (
  cd /build/src/objects/all
  touch a
  ../../configure \
    --prefix=@{out} \
    --build=x86_64-pc-linux-musl \
    --disable-nls \
    --disable-dependency-tracking \
    --disable-shared
  touch b
  if true; then
    touch c
  fi
)

phase_build() (
  cd /build/src/objects/all
  make -C lib
)

phase_install() (
  cd /build/src/objects/all
  mkdir -p @{out}/bin @{out}/share/man/man1 @{out}
  cp src/a @{out}/bin/a
  cp 'b c' @{out}/bin/b
  cp a.1 @{out}/share/man/man1/a.1
  cp top @{out}/top
)

for phase in ${*:-configure build install}; do
  echo "phase: $phase"
  "phase_$phase"
done
