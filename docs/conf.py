"""The guide as a site: `pip install 'gpteval[docs]'`, then `sphinx-build -W docs site`."""

project = "gpteval"
extensions = ["myst_parser"]
exclude_patterns = ["ci"]
html_theme = "alabaster"
html_show_copyright = False
