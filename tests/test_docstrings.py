"""Every public name explains itself, with each of its parameters, in numpydoc."""

import inspect

import docstring_parser
import pytest

import napari_segkit

NAMES = sorted(set(napari_segkit.__all__) - {"session"})


def documented(thing):
    parsed = docstring_parser.parse(thing.__doc__ or "", docstring_parser.DocstringStyle.NUMPYDOC)
    assert parsed.short_description, f"{thing.__qualname__} has no docstring"
    names = [name for param in parsed.params for name in param.arg_name.split(", ")]
    return parsed, {name.lstrip("*") for name in names}


def parameters(function):
    names = inspect.signature(function).parameters
    return {name for name in names if name not in ("self", "cls", "_")}


def check_function(function):
    parsed, names = documented(function)
    assert parameters(function) <= names, function.__qualname__
    annotation = inspect.signature(function).return_annotation
    if annotation not in (None, "None", inspect.Signature.empty):
        assert parsed.many_returns, f"{function.__qualname__} does not say what it returns"


def public_methods(cls):
    for owner in (c for c in cls.__mro__ if c.__module__.startswith("napari_segkit")):
        for name, member in vars(owner).items():
            function = member.__func__ if isinstance(member, classmethod) else member
            if not name.startswith("_") and inspect.isfunction(function):
                yield function


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented(name):
    thing = getattr(napari_segkit, name)
    if not inspect.isclass(thing):
        check_function(thing)
        return
    _, names = documented(thing)
    assert parameters(thing) <= names
    for method in public_methods(thing):
        documented(method)


def test_the_verbs_of_a_segmenter_document_each_argument():
    for name in ("fit", "train_epochs", "predict", "predict_proba", "predict_objects", "save"):
        check_function(getattr(napari_segkit.Segmenter, name))


def test_what_a_session_offers_is_documented():
    pytest.importorskip("qtpy", exc_type=ImportError, reason="sessions need Qt")
    from napari_segkit._qt.session.session import Session

    check_function(napari_segkit.session)
    for name in ("run", "predict", "refine", "superpixels", "objects_of", "probabilities_of"):
        check_function(getattr(Session, name))
