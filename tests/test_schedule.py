"""The schedule of a run: learning rate, time limit, evaluations, freezing, averaging."""

import pytest

from utils.training.history import History
from utils.training.schedule import (
    FINAL_RATE,
    RESERVED_SECONDS,
    WARM_UP,
    Schedule,
    learning_rate_factor,
)
from utils.training.state import extended_run


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def make_schedule(**options):
    clock = Clock()
    defaults = {
        "steps_per_epoch": 10, "epochs": 10**6, "seconds": None, "freeze_epochs": None,
        "frozen_share": 0.1, "average_start_epoch": 10, "average_start": 1 / 3, "started": 100.0,
        "clock": clock,
    }  # fmt: skip
    return Schedule(**{**defaults, **options}), clock


def test_learning_rate_factor_rises_then_falls_to_its_end():
    values = [learning_rate_factor(p / 1000) for p in range(1001)]
    top = values.index(max(values))
    assert values[top] == pytest.approx(1, abs=1e-2)
    assert top / 1000 == pytest.approx(WARM_UP, abs=2e-3)
    assert values[:top] == sorted(values[:top])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert values[-1] == pytest.approx(FINAL_RATE)
    assert learning_rate_factor(WARM_UP + (1 - WARM_UP) / 2) == pytest.approx((1 + FINAL_RATE) / 2)


def test_epochs_alone_are_counted_in_steps():
    schedule, clock = make_schedule(epochs=4)
    schedule.begin(0)
    clock.now += 1000
    assert schedule.progress(0) == 0
    assert schedule.progress(10) == 0.25
    assert schedule.progress(40) == 1
    assert schedule.seconds_left(10) == pytest.approx(3000)


def test_minutes_leave_time_to_save_and_start_up_is_no_progress():
    schedule, clock = make_schedule(seconds=120)
    clock.now += 20  # importing and compiling
    schedule.begin(0)
    assert schedule.progress(0) == 0
    clock.now = 100 + 20 + (100 - RESERVED_SECONDS) / 2
    assert schedule.progress(7) == pytest.approx(0.5)
    schedule.note_evaluation(10)
    assert schedule.progress(7) > 0.5
    clock.now = 100 + 120 - RESERVED_SECONDS - 10
    assert schedule.progress(7) == pytest.approx(1)


def test_whichever_limit_is_nearer_rules():
    schedule, clock = make_schedule(seconds=1000, epochs=2)
    schedule.begin(0)
    assert schedule.progress(10) == 0.5
    clock.now += 990
    assert schedule.progress(10) > 0.99


def test_a_resumed_run_continues_its_schedule_and_ends_in_time():
    schedule, clock = make_schedule(seconds=100, seconds_before=40.0, progress_before=0.43)
    clock.now += 20  # starting up again
    schedule.begin(30)
    assert schedule.elapsed() == 60
    assert schedule.progress(30) == pytest.approx(0.43)  # no jump by what start-up took
    clock.now += (100 - RESERVED_SECONDS - 60) / 2
    assert schedule.progress(30) == pytest.approx((1 + 0.43) / 2)
    clock.now += (100 - RESERVED_SECONDS - 60) / 2
    assert schedule.progress(31) == pytest.approx(1)


def test_a_run_made_longer_starts_its_schedule_anew():
    schedule, _ = make_schedule(epochs=5, base_step=30)
    schedule.begin(30)
    assert [schedule.progress(step) for step in (30, 40, 50)] == [0, 0.5, 1]
    assert not schedule.backbone_frozen(30, 0.0)
    schedule, _ = make_schedule(epochs=5, base_step=30, progress_before=0.5)  # killed and resumed
    schedule.begin(40)
    assert [schedule.progress(step) for step in (40, 45, 50)] == [0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("epochs", "minutes", "longer", "left"),
    [
        (3, None, False, None),  # as it was
        (6, None, True, None),
        (2, None, False, None),  # fewer than it has
        (3, 2.0, False, 2.0),
        (6, 2.0, True, None),  # its minutes have ended it
        (3, 5.0, True, 5.0),
    ],
)
def test_only_more_makes_a_finished_run_longer(epochs, minutes, longer, left):
    history = {"step": 20, "epoch": 2, "finished": True, "evaluations_without_improvement": 4}
    choices = {"epochs": 3, "options": {"epochs": 3, "seed": 0}}
    saved = {
        "history": history, "choices": choices, "seconds": 119.0, "progress": 1.0,
        "minutes": 2.0 if minutes else None,
    }  # fmt: skip
    now, allowed = extended_run(saved, epochs, minutes)
    assert allowed == left
    assert (now != saved) == longer
    if longer:
        assert now["history"]["base_step"] == 20
        assert not now["history"]["finished"]
        assert now["choices"]["epochs"] == epochs
        assert now["progress"] == 0
    saved["history"] = {**history, "finished": False}
    assert extended_run(saved, epochs, minutes) == (saved, minutes)


@pytest.mark.parametrize(
    ("step", "epochs", "minutes", "longer"),
    [
        (7, 1, 60.0, True),  # of its only epoch
        (7, 1, 1.0, False),
        (10, 1, 60.0, False),  # all of it
        (45, 5, 1.0, True),  # in the fifth of ten epochs, of which five were asked for later
        (45, 4, 1.0, False),
        (45, 10, 1.0, False),  # as it was
        (45, 10, 2.0, True),
    ],
)
def test_an_epoch_that_the_minutes_cut_is_not_done(step, epochs, minutes, longer):
    planned = 1 if step <= 10 else 10
    saved = {
        "history": {"step": step, "epoch": -(-step // 10), "finished": True},
        "choices": {"epochs": planned, "options": {"epochs": planned}},
        "seconds": 59.0, "progress": 1.0, "minutes": 1.0, "steps per epoch": 10,
    }  # fmt: skip
    assert (extended_run(saved, epochs, minutes)[0] != saved) == longer


def test_an_expected_evaluation_is_kept_free_from_the_start():
    schedule, clock = make_schedule(seconds=100)
    schedule.expect(40, compiling=1.5, update_bn=2.5)
    schedule.begin(0)
    clock.now += 25
    assert schedule.progress(5) == pytest.approx(0.5)


def test_time_too_short_for_anything_is_over_at_once():
    schedule, clock = make_schedule(seconds=6)
    clock.now += 5
    schedule.begin(0)
    assert schedule.progress(0) == 1


def test_freezing_by_share_or_by_epochs():
    schedule, _ = make_schedule(epochs=10)
    assert schedule.backbone_frozen(0, 0.0)
    assert schedule.backbone_frozen(9, 0.09)
    assert not schedule.backbone_frozen(10, 0.1)
    schedule, _ = make_schedule(epochs=10, freeze_epochs=3)
    assert schedule.backbone_frozen(29, 0.29)
    assert not schedule.backbone_frozen(30, 0.3)
    schedule, _ = make_schedule(epochs=10, freeze_epochs=0)
    assert not schedule.backbone_frozen(0, 0.0)


def test_the_average_is_uniform_after_ten_epochs_and_a_third():
    schedule, _ = make_schedule(epochs=60)
    assert not schedule.uniform_average(199, 199 / 600)
    assert schedule.uniform_average(200, 200 / 600)
    short, _ = make_schedule(epochs=12)
    assert not short.uniform_average(99, 99 / 120)
    assert short.uniform_average(100, 100 / 120)
    frozen, _ = make_schedule(epochs=60, freeze_epochs=15)
    assert not frozen.uniform_average(299, 299 / 600)
    assert frozen.uniform_average(300, 300 / 600)
    never, _ = make_schedule(epochs=60, average_start=1.0)
    assert not never.uniform_average(599, 599 / 600)


def test_evaluations_of_a_run_of_known_length():
    schedule, _ = make_schedule(epochs=200)
    schedule.begin(0)
    due = [e for e in range(1, 201) if schedule.evaluation_due(History(step=10 * e, epoch=e))]
    assert len(due) == 50
    assert due[-1] == 200
    schedule, _ = make_schedule(epochs=7)
    assert all(schedule.evaluation_due(History(step=10 * e, epoch=e)) for e in range(1, 8))


def test_evaluations_of_a_limited_run_take_a_bounded_share():
    schedule, clock = make_schedule(seconds=1000)
    schedule.begin(0)
    spent, history = 0.0, History()
    while schedule.progress(history.step) < 1:
        clock.now += 10
        history.step, history.epoch = history.step + 10, history.epoch + 1
        if schedule.evaluation_due(history):
            clock.now += 3
            spent += 3
            schedule.note_evaluation(3)
    assert 0.03 * 1000 < spent < 0.08 * 1000
    assert clock.now - 100 <= 1000


@pytest.mark.parametrize(
    ("took", "left"),
    [
        ([5], 3), ([5, 60, 5], 3), ([5, 5, 5, 60, 5], 3),  # held up once
        ([5, 60], 25),  # the machine has become slow
        ([2, 3, 4, 5, 6, 7, 8], 4),
    ],
)  # fmt: skip
def test_a_limited_run_uses_its_time_and_ends_within_it(took, left):
    """Evaluations take ``took`` seconds, further ones as long as the last of these."""
    schedule, clock = make_schedule(seconds=1000)
    schedule.expect(4, compiling=1)
    schedule.begin(0)
    progress, evaluations = [0.0], iter(took)
    while progress[-1] < 1:
        clock.now += 1
        progress.append(schedule.progress(len(progress)))
        if schedule.evaluation_due(History(step=len(progress), epoch=len(progress))):
            seconds = next(evaluations, took[-1])
            clock.now += seconds
            schedule.note_evaluation(seconds)
    assert progress == sorted(progress)
    assert 0 <= 100 + 1000 - RESERVED_SECONDS - clock.now <= left


def test_history_leaves_bad_steps_out_of_the_means():
    history = History()
    for losses in ([4, 2, 1, 1], [float("nan")] * 4, [2, 1, 0.5, 0.5]):
        history.note_step(losses)
    row = history.close_epoch(step=3)
    assert row == {
        "epoch": 1, "step": 3, "loss": 3, "box": 1.5, "objectness": 0.75, "classes": 0.75,
        "skipped_steps": 1,
    }  # fmt: skip
    assert history.bad_steps == 0
    assert history.losses == []
    history.note_step([1, 1, 1, 1])
    assert not history.note_step([float("nan")] * 4)
    history.close_epoch(step=5)
    history.note_step([float("nan")] * 4)
    history.close_epoch(step=6)
    assert history.bad_steps == 2
    history.epoch = 3
    assert history.should_replace_best(0.5, photos=100)
    history.note_score(0.5)
    history.note_best(0.5)
    assert not history.should_replace_best(0.4, photos=100)
    history.note_score(0.4)
    history.note_score(-1.0)  # photos without objects do not count
    assert history.evaluations_without_improvement == 1
    history.epoch = 9
    assert history.should_replace_best(0.5, photos=100)  # a later epoch wins a tie
    history.note_score(0.5)
    history.note_best(0.5)
    assert (history.saved_epoch, history.evaluations_without_improvement) == (9, 2)
    # 0.01 less is tolerated on a hundred photos, not on a thousand; the highest AP stays.
    assert history.should_replace_best(0.495, photos=100)
    assert not history.should_replace_best(0.495, photos=1000)
    history.note_best(0.495)
    assert (history.highest_ap, history.saved_ap) == (0.5, 0.495)
    early = History()
    early.note_best(0.02)
    assert not early.should_replace_best(0.0, photos=12)  # at most a tenth lower is tolerated
    assert early.should_replace_best(0.019, photos=12)
    history.note_score(0.6)
    assert history.evaluations_without_improvement == 0
    history.note_step([float("nan")] * 4)
    assert history.close_epoch(step=7)["loss"] is None


def test_step_and_constant_schedules():
    assert learning_rate_factor(WARM_UP / 2, "step") == pytest.approx(0.5)
    assert [learning_rate_factor(p, "step") for p in (0.5, 0.7, 0.89, 0.95)] == pytest.approx(
        [1, 0.1, 0.1, 0.01]
    )
    assert {learning_rate_factor(p, "constant") for p in (WARM_UP, 0.5, 1.0)} == {1.0}


def test_saves_take_a_bounded_share_of_the_time():
    schedule, clock = make_schedule(epochs=5, save_every=30.0)
    schedule.begin(0)
    clock.now += 29
    assert not schedule.saving_due()
    clock.now += 1
    assert schedule.saving_due()
    schedule.note_saving(2.0)
    clock.now += 199
    assert not schedule.saving_due()  # 2 s of saving after less than 200 s of training
    clock.now += 1
    assert schedule.saving_due()
    schedule, clock = make_schedule(epochs=5, save_every=0.0)
    schedule.begin(0)
    schedule.note_saving(2.0)
    assert schedule.saving_due()


def test_a_run_that_goes_on_without_its_minutes_does_not_fall_back():
    """Ahead of its epochs for lack of minutes: what is left of it is stretched over them."""
    schedule, _ = make_schedule(epochs=30, progress_before=0.5)
    schedule.begin(50)  # of 300 steps
    values = [schedule.progress(step) for step in range(50, 301)]
    assert values[0] == 0.5
    assert values == sorted(values)
    assert values[125] == pytest.approx(0.75)
    assert values[-1] == 1


def test_a_run_that_goes_on_by_epochs_is_where_it_was_to_the_last_bit():
    whole, _ = make_schedule(epochs=7)
    whole.begin(0)
    resumed, _ = make_schedule(epochs=7, progress_before=whole.progress(33))
    resumed.begin(33)
    assert [resumed.progress(s) for s in range(33, 71)] == [
        whole.progress(s) for s in range(33, 71)
    ]
