#!/bin/sh
# What the chart is checked with, in .venv-helm: Helm's SDK and the Kubernetes schemas (400 MB), and the real helm where Go can make it.
# Without them the tests of the chart say so: skipped at a desk, failed in CI.
set -u
cd "$(dirname "$0")/.."
venv=.venv-helm
helm=v3.22.0

echo "· setting up $venv"
[ -x $venv/bin/python ] || "${PYTHON:-python3}" -m venv $venv ||
  { echo "!! $venv cannot be made: the chart is NOT checked" >&2; exit 0; }
pip="$venv/bin/python -m pip install --quiet --disable-pip-version-check"
if $pip --no-deps --require-hashes -r helm/sdk.txt && $pip -c helm/constraints.txt kubernetes-validate PyYAML; then
  ready=yes
else
  echo "!! helm-python-sdk and kubernetes-validate cannot be had: the chart is NOT checked" >&2
fi

if [ -x $venv/bin/helm ] || command -v helm >/dev/null 2>&1; then
  :
elif command -v go >/dev/null 2>&1; then
  echo "· helm $helm, with Go: a minute or two"
  GOTOOLCHAIN=local GOBIN="$PWD/$venv/bin" nice go install "helm.sh/helm/v3/cmd/helm@$helm" >$venv/go.log 2>&1 ||
    echo "!! Go could not make helm ($venv/go.log): the chart is not tried on Helm 3" >&2
else
  echo "!! neither helm nor Go is here: the chart is not tried on Helm 3" >&2
fi
[ -z "${ready:-}" ] || touch $venv/.ready
