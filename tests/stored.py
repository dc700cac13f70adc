"""Stored notebooks, for the tests that need a book of their own."""

import json


def notebook(*sources, outputs=()):
    """A stored notebook with these code cells; the outputs are the last one's."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": number,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": list(outputs) if number == len(sources) else [],
            "source": source,
        }
        for number, source in enumerate(sources, 1)
    ]
    return json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )


def with_ledger(judged, *sources):
    """A stored notebook whose last cell shows these judged claims."""
    shown = judged._repr_mimebundle_()
    json.dumps(shown, allow_nan=False)
    output = {"output_type": "execute_result", "data": shown, "metadata": {}}
    return notebook(*(sources or ["ledger"]), outputs=[output | {"execution_count": 1}])
