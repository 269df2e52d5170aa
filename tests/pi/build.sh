#!/usr/bin/env bash
# A Raspberry-Pi-class userland in a folder: Debian's Python, an interpreter of .tflite files and the base install of
# samewhy, run by qemu. Needs apt-get, dpkg, pip and qemu-user-static; neither root nor chroot.
#
#   tests/pi/build.sh DIR [arm64|armhf]     then DIR/python is the Pi's Python:  DIR/python -m samewhy_edge.cli --help
#
# arm64 has LiteRT. armhf, 32 bits, has the last tflite-runtime, and numpy from Debian: there are no wheels of them.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
pi=$(cd "$1" && pwd)
arch=${2:-arm64}
python=${PYTHON:-python3}

debs="libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3 libuuid1 libsqlite3-0
  libpython3.11-minimal libpython3.11-stdlib python3.11-minimal"
case $arch in
arm64)
  qemu="qemu-aarch64-static -cpu ${QEMU_CPU:-cortex-a72}" library=
  wheels=("numpy<2.5" "ai-edge-litert>=2.1,<2.2") # later releases end in Interpreter() under this QEMU
  platforms=(manylinux_2_28_aarch64 manylinux_2_27_aarch64 manylinux_2_17_aarch64 manylinux2014_aarch64)
  ;;
armhf)
  qemu="qemu-arm-static -cpu ${QEMU_CPU:-cortex-a15}" library=":$pi/root/usr/lib/python3/dist-packages"
  wheels=(--no-deps "tflite-runtime>=2.14" flatbuffers)
  platforms=(manylinux_2_34_armv7l manylinux2014_armv7l)
  debs="$debs python3-numpy libblas3 liblapack3 libgfortran5"
  ;;
*)
  echo "architecture $arch; expected arm64 or armhf" >&2
  exit 2
  ;;
esac

# A state of apt's own: the lists of this machine stay as they are.
mkdir -p "$pi"/apt/{state/lists/partial,cache/archives/partial} "$pi"/debs
options=(-qq -o APT::Architecture=$arch -o APT::Architectures=$arch -o Dir::State="$pi/apt/state"
  -o Dir::Cache="$pi/apt/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root -o Acquire::Languages=none)
if [ ! -f "$pi/root/usr/bin/python3.11" ]; then
  apt-get "${options[@]}" update || echo "some lists of packages are missing; going on with the others" >&2
  (cd "$pi/debs" && apt-get "${options[@]}" download $debs)
  for deb in "$pi"/debs/*.deb; do dpkg -x "$deb" "$pi/root"; done
fi
for name in blas lapack; do # Debian chooses among them by links that only an installation makes
  for file in "$pi/root/usr/lib"/*/"$name/lib$name.so.3"; do
    [ ! -e "$file" ] || ln -sf "$name/lib$name.so.3" "$(dirname "$(dirname "$file")")/lib$name.so.3"
  done
done

# QEMU shows the processor of the host in /proc/cpuinfo, and LiteRT believes it: files below the prefix shadow it.
mkdir -p "$pi/root/proc" "$pi/root/sys/devices/system/cpu"
for core in 0 1 2 3; do
  printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n' $core
  printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
done > "$pi/root/proc/cpuinfo"
printf 'Model\t\t: Emulated Raspberry Pi 4 (QEMU)\n' >> "$pi/root/proc/cpuinfo"
for name in possible present online; do echo 0-3 > "$pi/root/sys/devices/system/cpu/$name"; done

# Wheels as pip would choose them there.
if [ ! -d "$pi/site/rich" ]; then
  install=("$python" -m pip install -q --disable-pip-version-check --only-binary=:all: --python-version 3.11
    --implementation cp --abi cp311 "${platforms[@]/#/--platform=}" --target "$pi/site")
  "${install[@]}" "${wheels[@]}"
  "${install[@]}" --upgrade "typer>=0.15" "rich>=13" pytest hypothesis
fi
rm -rf "$pi/wheel" "$pi"/site/samewhy_*
"$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$pi/wheel" "$here"
"$python" -m pip install -q --disable-pip-version-check --no-deps --target "$pi/site" "$pi"/wheel/*.whl

# A process that starts Python again, as the quarantine of foreign files does, finds this script as its interpreter.
cat > "$pi/python" <<END
#!/bin/sh
exec $qemu -L "$pi/root" -0 "$pi/python" \\
  -E PYTHONHOME="$pi/root/usr" -E PYTHONPATH="$pi/site$library" -E PYTHONDONTWRITEBYTECODE=1 "$pi/root/usr/bin/python3.11" "\$@"
END
chmod +x "$pi/python"
