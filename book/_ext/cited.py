"""The bibliography says which pages cite each work."""

from docutils import nodes

PAGE = "bibliography"


def add_backlinks(app, doctree, docname):
    if docname != PAGE:
        return
    domain = app.env.get_domain("cite")
    names = {citation.citation_id: citation.key for citation in domain.citations}
    for entry in doctree.findall(nodes.citation):
        key = next(names[name] for name in entry["ids"] if name in names)
        pages = {ref.docname for ref in domain.citation_refs if key in keys_of(ref)}
        if pages:
            entry[-1] += backlinks(app, sorted(pages))


def keys_of(ref):
    return {target.key for target in ref.targets}


def backlinks(app, pages):
    """Chapters by their names, in the order of the contents."""
    order = list(app.env.toc_num_entries) + pages
    line = nodes.inline(classes=["cited-in"])
    line += nodes.Text(" Cited in ")
    for place, page in enumerate(sorted(pages, key=order.index)):
        title = app.env.titles[page].astext()
        line += nodes.Text(", " if place else "")
        line += nodes.reference("", title, internal=True, refuri=f"{page}.html")
    line += nodes.Text(".")
    return line


def modern_roles(app, pagename, templatename, context, doctree):
    """The role that docutils gives an entry is no longer in use."""
    if pagename == PAGE:
        context["body"] = context["body"].replace("doc-biblioentry", "listitem")


def setup(app):
    app.connect("doctree-resolved", add_backlinks)
    app.connect("html-page-context", modern_roles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
