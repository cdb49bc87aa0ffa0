"""Test that the package installed in an environment trains, predicts, saves and loads a model.

Usage: python -I smoke_test.py ENVIRONMENT
"""

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import joblib

import sklstm


def main() -> None:
    """Exit with an error if the package is not that of the environment, or does not work."""
    environment, package = Path(sys.argv[1]).resolve(), Path(sklstm.__file__).resolve()
    assert package.is_relative_to(environment), package
    assert (package.parent / "py.typed").is_file()
    assert version("sklstm") == sklstm.__version__
    # Every public name, and with it every module, can be imported without the optional packages.
    for name in sklstm.__all__:
        getattr(sklstm, name)

    texts = ["a warm and funny film", "dull and far too long", "I loved it", "I left early"] * 10
    model = sklstm.make_text_classifier("fast", random_state=0)
    model.fit(texts, ["good", "bad"] * 20)
    expected = model.predict_proba(texts)
    assert model.predict(texts[:2]).tolist() == ["good", "bad"]
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(model, Path(folder, "model.joblib"))
        loaded = joblib.load(Path(folder, "model.joblib"))
    assert (loaded.predict_proba(texts) == expected).all()
    print(f"sklstm {sklstm.__version__} works in {environment.name}")


if __name__ == "__main__":
    main()
