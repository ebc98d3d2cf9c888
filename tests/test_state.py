"""The saved state of a run: what was written under older names."""

from utils.training.state import read_state, save_state


def test_fields_of_a_recipe_saved_under_older_names_are_read(tmp_path):
    old = {"by_cost": True, "rates": {"sgd": {"few": 1.0}}, "loss": {"box": 5.0, "doubt": 0.7}}
    save_state(tmp_path / "state" / "state.npz", {}, {"choices": {"epochs": 2, "recipe": old}})
    facts, _ = read_state(tmp_path)
    assert facts["choices"]["recipe"] == {
        "simota": True,
        "rates": {"sgd": {"few": 1.0}},
        "loss": {"box": 5.0, "gce_q": 0.7},
    }
    assert facts["choices"]["epochs"] == 2
