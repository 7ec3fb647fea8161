#!/bin/sh
# Brings the servers and the browser that the tests use, where they are missing and this user may install them.
# `sh tests/setup.sh` for all, `sh tests/setup.sh python` for the virtual environment's needs only,
# `sh tests/setup.sh bench` for what only the bench needs.
set -eu
cd "$(dirname "$0")/.."

may_install() { command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; }

# want COMMAND-OR-FILE PACKAGE... : remember the packages when the first is not there
packages=""
want() {
  probe=$1; shift
  case $probe in
    /*) [ -e "$probe" ] || packages="$packages $*" ;;
    *) command -v "$probe" >/dev/null 2>&1 || packages="$packages $*" ;;
  esac
}

install() {
  [ -n "$packages" ] || return 0
  if may_install; then
    echo "· installing:$packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # Servers are started by the tests themselves, on ports of their own: never by the package.
    [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made=1; }
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
    [ -z "${made:-}" ] || rm /usr/sbin/policy-rc.d
  else
    echo "!! missing, and this user may not install them:$packages" >&2
    echo "!! as root: apt-get install --no-install-recommends$packages" >&2
  fi
}

if [ "${1:-}" = python ]; then
  packages=" python3-venv python3-pip"
  install
  exit 0
fi

if [ "${1:-}" = bench ]; then
  want wrk wrk
  want nginx nginx-light
  want /usr/lib/apache2/modules/mod_auth_openidc.so apache2 libapache2-mod-auth-openidc
  want node nodejs
  want npm npm
  install
else
  want chromium chromium fonts-dejavu-core
  want nginx nginx-light
  want strace strace
  want redis-server redis-server
  want redis-sentinel redis-sentinel
  want /usr/share/postgresql-common postgresql
  want ip iproute2
  want keepalived keepalived
  want haproxy haproxy
  want curl curl
  want systemd-analyze systemd
  want php php-cli php-xml php-mbstring php-gd
  want /usr/share/dokuwiki/doku.php dokuwiki
  want node nodejs
  want npm npm
  install
fi

for folder in tests/counterparts/*/; do
  [ -f "$folder/package.json" ] || continue
  [ -f "$folder/node_modules/.ready" ] && [ "$folder/node_modules/.ready" -nt "$folder/package.json" ] && continue
  if command -v npm >/dev/null 2>&1; then
    echo "· npm packages for $folder"
    (cd "$folder" && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts && touch node_modules/.ready)
  else
    echo "!! npm is missing: the tests that need $folder cannot run" >&2
  fi
done
