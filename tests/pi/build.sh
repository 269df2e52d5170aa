#!/usr/bin/env bash
# A Raspberry-Pi-class userland in a folder: Debian's Python for aarch64, LiteRT's wheel and the base install of samewhy,
# run by qemu-aarch64-static. Needs apt-get, dpkg, pip and qemu; neither root nor chroot.
#
#   tests/pi/build.sh DIR             then DIR/python is the Pi's Python:  DIR/python -m samewhy_edge.cli --help
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
pi=$(cd "$1" && pwd)
python=${PYTHON:-python3}

debs="libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3 libuuid1 libsqlite3-0
  libpython3.11-minimal libpython3.11-stdlib python3.11-minimal"

# A state of apt's own: the lists of this machine stay as they are.
mkdir -p "$pi"/apt/{state/lists/partial,cache/archives/partial} "$pi"/debs
options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$pi/apt/state"
  -o Dir::Cache="$pi/apt/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root -o Acquire::Languages=none)
if [ ! -f "$pi/root/usr/bin/python3.11" ]; then
  apt-get "${options[@]}" update
  (cd "$pi/debs" && apt-get "${options[@]}" download $debs)
  for deb in "$pi"/debs/*.deb; do dpkg -x "$deb" "$pi/root"; done
fi

# QEMU shows the processor of the host in /proc/cpuinfo, and LiteRT believes it: files below the prefix shadow it.
mkdir -p "$pi/root/proc" "$pi/root/sys/devices/system/cpu"
for core in 0 1 2 3; do
  printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n' $core
  printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
done > "$pi/root/proc/cpuinfo"
printf 'Model\t\t: Emulated Raspberry Pi 4 (QEMU)\n' >> "$pi/root/proc/cpuinfo"
for name in possible present online; do echo 0-3 > "$pi/root/sys/devices/system/cpu/$name"; done

# Wheels as pip would choose them there. Releases of LiteRT after 2.1 end in Interpreter() under this QEMU.
platforms=(--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64
  --platform manylinux2014_aarch64)
if [ ! -d "$pi/site/numpy" ]; then
  "$python" -m pip install -q --disable-pip-version-check --only-binary=:all: --python-version 3.11 --implementation cp \
    --abi cp311 "${platforms[@]}" --target "$pi/site" "numpy<2.5" "ai-edge-litert>=2.1,<2.2" "typer>=0.15" "rich>=13" \
    pytest hypothesis
fi
rm -rf "$pi/wheel" "$pi"/site/samewhy_*
"$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$pi/wheel" "$here"
"$python" -m pip install -q --disable-pip-version-check --no-deps --target "$pi/site" "$pi"/wheel/*.whl

# A process that starts Python again, as the quarantine of foreign files does, finds this script as its interpreter.
cat > "$pi/python" <<END
#!/bin/sh
exec qemu-aarch64-static -cpu "\${QEMU_CPU:-cortex-a72}" -L "$pi/root" -0 "$pi/python" \\
  -E PYTHONHOME="$pi/root/usr" -E PYTHONPATH="$pi/site" -E PYTHONDONTWRITEBYTECODE=1 "$pi/root/usr/bin/python3.11" "\$@"
END
chmod +x "$pi/python"
