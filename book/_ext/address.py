"""Where the book is published: one setting, `repository` in publish.toml.

While it is empty the site carries no launch, repository or edit button and no base
address. `make publish-address URL=…` fills it in, and this extension gives the theme
what follows from it.
"""

import tomllib
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]


def repository(root=ROOT):
    """Address of the repository, or None while it is not set."""
    return tomllib.loads((root / "publish.toml").read_text())["repository"] or None


def site(address):
    """Address of the published pages, where the host's rule for it is known."""
    parts = urlsplit(address)
    if parts.netloc != "github.com":
        return None
    owner, name = parts.path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def theme_options(address):
    """The buttons that follow from the address; only for a host that has them all."""
    if site(address) is None:
        return {}
    return {
        "repository_url": address,
        "repository_branch": "main",
        "path_to_docs": "book",
        "use_repository_button": True,
        "use_edit_page_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }


def configure(app, config):
    address = repository()
    if address is None:
        return
    config.html_theme_options |= theme_options(address)
    if site(address):
        config.html_baseurl = config.ogp_site_url = site(address)
        config.ogp_social_cards = {"enable": False}


def setup(app):
    # Previews of a page need its full address.
    if repository() and site(repository()):
        app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", configure, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
