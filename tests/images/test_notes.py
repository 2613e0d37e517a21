"""Notes that are left out in one thread are given in another."""

from threading import Thread

import pytest

from napari_segkit.images.notes import say_note, without_notes


def test_notes_are_left_out_in_this_thread_only(recwarn):
    with without_notes():
        other = Thread(target=say_note, args=("of another thread",))
        other.start()
        other.join()
        say_note("of this thread")
    assert [str(w.message) for w in recwarn] == ["of another thread"]
    with pytest.warns(UserWarning, match="afterwards") as said:
        say_note("afterwards")
    assert said[0].filename == __file__
