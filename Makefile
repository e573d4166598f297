# The only entrances: make run, make test, make check, make bench. (make lock renews the pinned requirements.)
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
export SITE_URL ?= http://$(HOST):$(PORT)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
# An npm that is there, or the one the nodejs wheel brings.
NPM := $(shell command -v npm 2>/dev/null || echo $(CURDIR)/$(VENV)/bin/npm)
WORKERS ?= 2
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: run test check bench lock messages

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed.")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run: requirements/run.txt $(VENV)/made
	@echo "Installing Python packages …"
	@$(PIP) -r requirements/run.txt
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/run
	@echo "Installing packages for development …"
	@$(PIP) -r requirements/dev.txt
	@touch $@

node_modules/made: package.json package-lock.json $(VENV)/made requirements/node.txt
	@test -x "$$(command -v $(NPM))" || { echo "Installing Node.js …"; $(PIP) -r requirements/node.txt; }
	@echo "Installing front-end assets …"
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(NPM) ci --silent --no-fund --no-audit
	@touch $@

locale/made: $(wildcard locale/*/LC_MESSAGES/django.po) $(VENV)/run
	@$(PY) -m babel.messages.frontend --quiet compile --domain django --directory locale
	@touch $@

var/static/made: node_modules/made locale/made $(shell find static -type f) $(VENV)/run
	@$(PY) manage.py collectstatic --noinput --clear --verbosity 0
	@touch $@

run: $(VENV)/run node_modules/made locale/made var/static/made
	@LOG_LEVEL=WARNING $(PY) manage.py migrate --verbosity 0
	@LOG_LEVEL=WARNING $(PY) manage.py load_sample --first-start
	@printf '\n  The sales risk register is at http://%s:%s/\n\n  Log in as   admin   (administrator)\n              maria   (manager of Northfield Pumps)\n              tom     (member of its Key Accounts team)\n              eva     (executive, reads only)\n              lihua   (manager of Hengyue Retail, in Chinese)\n  Password    sample-register\n\n  Mail is kept in each person'"'"'s inbox. Ctrl-C stops everything; the data stays in var/.\n\n' '$(HOST)' '$(PORT)' > var/banner.txt
	@exec $(PY) manage.py serve --host $(HOST) --port $(PORT) --banner-file var/banner.txt

test: $(VENV)/dev node_modules/made locale/made var/static/made
	@tests/run.sh "$(PY)" $(WORKERS)

check: $(VENV)/dev node_modules/made locale/made
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check --quiet . || { echo "Run $(VENV)/bin/ruff format ."; exit 1; }
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check --fail-level WARNING

bench: $(VENV)/dev
	$(PY) -m bench

messages: $(VENV)/dev
	$(PY) manage.py makemessages --locale zh_Hans --no-obsolete --no-location --ignore .venv --ignore node_modules --ignore var --ignore tests --ignore bench

lock: $(VENV)/made
	@$(PY) -m pip install --quiet uv
	@for name in run dev; do $(VENV)/bin/uv pip compile pyproject.toml $$(test $$name = dev && echo --extra dev -c requirements/run.txt) --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -o requirements/$$name.txt; done
	@$(VENV)/bin/uv pip compile requirements/node.in --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -o requirements/node.txt
