"""A training on simulated films that may be interrupted anywhere between two rounds."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save, save_file

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-interop")

from tests.helpers.simulated_run import SIZE, films, finished, run, small, smaller, tiny  # noqa: F401 - fixtures
from util.errors import CourseError
from util.files import alone
from util.phantom.epidemiology import true_prevalence
from util.training import simulated
from util.training.augment import augment
from util.training.network import (
    to_arrays,
    to_input,
)
from util.training.real_films import demographics
from util.training.simulated import Learner, main

# ---- a run ------------------------------------------------------------------------------------------------------


LOSSES = [f"loss_{name}" for name in ("logits", "further", "places_8", "places_16", "places_32")]


def test_log(finished):
    log = pd.read_csv(finished[0].out / "log.csv")
    assert list(log) == ["size", "films", *LOSSES, "held_out_auc"]
    assert log[["size", "films"]].values.tolist() == [[32, 8], [32, 8], [64, 4]]
    assert (log[LOSSES] > 0).all(axis=None)
    assert log["held_out_auc"].between(0, 1).all()


def test_losses_are_of_the_films_their_findings_places_and_answers(films, tmp_path):
    """Against the network asked by hand, in float32 throughout."""
    learner, rows, weights = Learner(tiny(tmp_path)), films.training[[7, 2]], films.place_weights()
    learner.model.eval()
    tensors = [[torch.tensor(side, dtype=torch.float32) for side in pair] for pair in weights]
    with torch.no_grad():
        losses = learner._losses(films, tensors, rows, SIZE, (1, 0, 0))
        takes = [augment(films.film(i), films.places[i], SIZE, np.random.default_rng((1, 0, 0, i))) for i in rows]
        logits, answers, maps = learner.model(to_input(np.stack([take for take, _ in takes])))

    def by_hand(z, y, positive, negative):
        z = np.asarray(z, float)
        return np.mean(positive * y * np.logaddexp(0, -z) + negative * (1 - y) * np.logaddexp(0, z))

    present, share = films.mined[rows].astype(float), learner.run.prevalence
    assert losses[0].item() == pytest.approx(by_hand(logits, present, 1 - share, share), abs=0.02)
    truth, answers = demographics(pd.read_csv(tmp_path / "films" / "table.csv"))[rows], np.asarray(answers, float)
    off = np.abs(answers[:, 2] - truth[:, 2])
    age = np.where(off < 1, off**2 / 2, off - 0.5).mean()
    assert losses[1].item() == pytest.approx(
        sum(by_hand(answers[:, k], truth[:, k], 1, 1) for k in (0, 1)) + age, abs=0.02
    )
    for loss, level, where, pair in zip(
        losses[2:], maps, simulated.at_maps(np.stack([w for _, w in takes])), weights, strict=True
    ):
        assert loss.item() == pytest.approx(by_hand(level.permute(0, 2, 3, 1), where, *pair), rel=0.02, abs=0.02)


def test_two_processes_learn_from_the_mean_of_their_gradients(films, tmp_path, monkeypatch):
    learner = Learner(tiny(tmp_path), rank=0, world=2)
    for parameter in learner.model.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    monkeypatch.setattr(simulated.distributed, "all_reduce", lambda flat: flat.add_(1.0))  # the other process has 1
    learner._share_gradients()
    assert all((parameter.grad == 2).all() for parameter in learner.model.parameters())


def test_two_processes_train_one_network(small, tmp_path, monkeypatch):
    """Two processes are asked for, and of each batch every film is met by exactly one of them."""
    met = []
    monkeypatch.setattr(
        simulated.torch.multiprocessing, "spawn", lambda work, given, nprocs: met.append((given, nprocs))
    )
    run = tiny(tmp_path)
    run.out.mkdir(exist_ok=True)
    simulated.train(run, 2)
    assert met == [((2, run), 2)]
    films, seen = run.drawn(0), []
    for rank in (0, 1):
        learner = Learner(run, rank, 2)
        nothing = [next(learner.model.parameters()).sum() * 0 for _ in range(2 + len(simulated.CHANNELS))]
        monkeypatch.setattr(learner, "_share_gradients", lambda: None)
        monkeypatch.setattr(learner, "_losses", lambda films, weights, rows, *_, out=nothing: seen.append(rows) or out)
        learner.one_round(films, None, 0, 0, 4)
    assert [len(rows) for rows in seen] == [2, 2]
    assert sorted(np.concatenate(seen)) == sorted(films.rows(0, 4, (run.seed, 0)))


def test_an_interrupted_run_resumes_to_the_same_model(finished, tmp_path, monkeypatch):
    plain, calls = Learner.one_round, []

    def stop_in_the_second(self, *arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "one_round", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            simulated.train(tiny(tmp_path), 1)
    assert len(pd.read_csv(tmp_path / "log.csv")) == 1
    resumed = simulated.train(tiny(tmp_path), 1)
    run, arrays = finished
    assert all(np.allclose(resumed[name], arrays[name], atol=1e-6) for name in arrays)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "log.csv"), pd.read_csv(run.out / "log.csv"), atol=1e-4)
    assert not list(tmp_path.glob("*.part"))


def test_a_finished_run_is_not_trained_again(finished, monkeypatch):
    run, arrays = finished
    monkeypatch.setattr(Learner, "one_round", None)
    again = simulated.train(tiny(run.out), 1)
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("stages", ["64:24", "32:8,64:4", "32:12,64:4"])
def test_other_stages_in_the_same_folder_are_refused(finished, stages):
    with pytest.raises(CourseError, match=r"was begun with other stages or weights: choose another"):
        Learner(tiny(finished[0].out, stages))


def test_held_out_auc_compares_mined_labels_of_held_out_films(films, tmp_path, monkeypatch):
    labels = films.mined[films.held_out].astype(float)
    monkeypatch.setattr(simulated, "read_out", lambda arrays, pixels, batch: (labels, None))
    assert Learner(tiny(tmp_path)).held_out_auc(films, 32) == 1


def test_the_step_size_rises_and_falls_with_the_pixels_seen(tmp_path):
    run = tiny(tmp_path)
    rates = [run.rate(*at) for at in ((0, 0), (0, 8), (1, 0), (1, 4))]
    done = np.array([8 * 32**2, 16 * 32**2, 16 * 32**2 + 4 * 64**2]) / (16 * 32**2 + 4 * 64**2)
    highest = simulated.RATE["scratch"]
    np.testing.assert_allclose(rates[1:], highest * (1 + np.cos(np.pi * done)) / 2, atol=1e-12)
    assert rates[0] == pytest.approx(highest * 0.01)
    assert replace(run, start="weights").rate(0, 8) == pytest.approx(rates[1] * simulated.RATE["start"] / highest)


@pytest.mark.parametrize("kind, least, subtle", [("gross", 0.2, False), ("subtle", 0.1, True)])
def test_a_run_draws_its_kind_of_film(small, tmp_path, kind, least, subtle):
    run = replace(tiny(tmp_path), kind=kind)
    run.drawn(0)
    assert json.loads((tmp_path / "films-32" / "recipe.json").read_text()) == {"enriched": least, "subtle": subtle}
    np.testing.assert_array_equal(run.prevalence, true_prevalence(least))


def test_a_run_goes_on_from_released_weights(small, tmp_path):
    first = Learner(tiny(tmp_path / "first"))
    weights = tmp_path / "start.safetensors"
    save_file(to_arrays(first.model.net), weights)
    torch.manual_seed(1)
    second = Learner(replace(tiny(tmp_path / "second"), seed=2, start=weights))
    for name, tensor in second.model.net.state_dict().items():
        assert torch.equal(tensor, first.model.net.state_dict()[name])
    assert not torch.equal(second.model.further.weight, first.model.further.weight)  # those heads are new
    assert torch.equal(second.mean.net.logits.weight, first.model.net.logits.weight)


def test_what_is_released_keeps_a_share_of_what_it_went_on_from(small, tmp_path, monkeypatch):
    monkeypatch.setattr(simulated, "START_SHARE", 0.25)
    weights = tmp_path / "start.safetensors"
    save_file(to_arrays(Learner(tiny(tmp_path / "first")).model.net), weights)
    begun = load_file(weights)
    run = replace(tiny(tmp_path / "second"), seed=2, start=weights)
    kept = simulated.train(run, 1)
    learned = to_arrays(Learner(run).mean.net)
    moved = 0
    for name, array in kept.items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, 0.75 * learned[name] + 0.25 * begun[name], rtol=1e-5, atol=1e-7)
        moved += np.abs(array - learned[name]).max() > 1e-6
    assert moved > len(kept) / 2


def test_a_run_is_not_resumed_from_other_weights(small, tmp_path):
    first, second = Learner(tiny(tmp_path / "first")), Learner(replace(tiny(tmp_path / "second"), seed=2))
    weights = tmp_path / "start.safetensors"
    save_file(to_arrays(first.model.net), weights)
    run = replace(tiny(tmp_path / "run"), start=weights)
    Learner(run).learn()
    Learner(run)  # as it was begun
    save_file(to_arrays(second.model.net), weights)
    for other in (run, replace(run, start=None)):
        with pytest.raises(CourseError, match="begun with other stages or weights"):
            Learner(other)


def keep(state, change):
    """Change what a training has kept."""
    kept = torch.load(state, weights_only=True)
    change(kept)
    torch.save(kept, state)


class Evil:
    """Would write a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A folder with the state of a learner, from which a run resumes."""
    folder = tmp_path_factory.mktemp("state")
    with smaller():
        learner = Learner(tiny(folder))
        learner.log = [{"size": 32, "films": 8}]
        learner._keep()
        Learner(tiny(folder))
    return folder


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.write_bytes(b""),
        lambda state: state.write_bytes(b"no zip"),
        lambda state: state.write_bytes(state.read_bytes()[:1000]),
        lambda state: state.write_bytes(state.read_bytes()[:-1000]),
        lambda state: torch.save([1, 2], state),
        lambda state: torch.save({"model": Evil(state.with_name("evil"))}, state),
        lambda state: keep(state, lambda kept: kept.pop("mean")),
        lambda state: keep(state, lambda kept: kept.update(log=[1])),
        lambda state: keep(state, lambda kept: kept.update(log=[{}])),
        lambda state: keep(state, lambda kept: kept["model"].popitem()),
        lambda state: keep(state, lambda kept: kept.update(model=3)),
        lambda state: keep(state, lambda kept: kept.update(optimizer={})),
        lambda state: keep(state, lambda kept: kept["optimizer"].update(param_groups=[])),
    ],
)
def test_a_damaged_state_gets_one_sentence(small, state, tmp_path, damage):
    run = tiny(tmp_path)
    shutil.copytree(state, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / "last.pt")
    with pytest.raises(
        CourseError, match=r"last\.pt is damaged, so nothing is resumed from it: remove it to begin again"
    ):
        Learner(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pt", "log.csv"]


def test_a_full_disk_leaves_the_old_state(small, tmp_path, monkeypatch):
    learner = Learner(tiny(tmp_path))
    learner._keep()
    before = (tmp_path / "last.pt").read_bytes()

    def full(state, stream):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(simulated.torch, "save", full)
    with pytest.raises(CourseError, match=r"last\.pt cannot be written \(No space left on device\)"):
        learner._keep()
    assert (tmp_path / "last.pt").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pt", "log.csv"]


def test_one_training_to_a_folder(small, tmp_path):
    run = tiny(tmp_path / "run")
    run.out.mkdir()
    (run.out / ".last.pt-0123456789abcdef.part").write_text("half, of a killed training")
    with alone(run.out), pytest.raises(CourseError, match="Another command is at work in"):
        simulated.train(run, 1)
    simulated.train(run, 1)
    assert not list(run.out.glob(".*"))
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="choose another folder with --out"):
        simulated.train(tiny(tmp_path / "file"), 1)


def test_ctrl_c_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulated, "train", stop)
    assert main(["--out", str(tmp_path)]) == 130
    assert "The same command goes on after the last round that was finished" in capsys.readouterr().err


def test_the_passport_tells_what_was_gone_on_from(tmp_path):
    start = tmp_path / "start.safetensors"
    start.write_bytes(b"weights")
    begun = {"start_sha256": hashlib.sha256(b"weights").hexdigest(), "start_share": pytest.approx(1 / 3, abs=1e-4)}
    assert simulated.started(start) == begun
    start.with_suffix(".json").write_text('{"command": "python -m util train", "training": "films", "licence": "MIT"}')
    assert simulated.started(start) == begun | {
        "start_command": "python -m util train",
        "start_training": "films",
    }


def test_weights_of_another_network_are_told_in_a_sentence(tmp_path):
    weights = tmp_path / "start.safetensors"
    save_file({"kernel": np.zeros(3, np.float32)}, weights)
    with pytest.raises(CourseError, match="of another network: they have no conv1"):
        Learner(replace(tiny(tmp_path / "run"), start=weights))


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no numbers", "damaged or no safetensors file"),
        (save({"kernel": np.zeros(3, np.float32)}), "of another network: they have no conv1"),
    ],
)
def test_weights_that_cannot_be_gone_on_from_cost_no_film(tmp_path, monkeypatch, capsys, content, told, processes):
    monkeypatch.setattr(simulated, "render_shards", None)
    weights = tmp_path / "start.safetensors"
    weights.write_bytes(content)
    assert main(["--out", str(tmp_path), "--start", str(weights), "--processes", processes]) == 2
    assert told in capsys.readouterr().err


def test_missing_weights_to_start_from_are_told_before_a_film_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(simulated, "render_shards", None)
    assert main(["--out", str(tmp_path), "--start", str(tmp_path / "none.safetensors")]) == 2
    assert "none.safetensors to start from" in capsys.readouterr().err


def test_the_last_stage_has_films_of_its_own(small, tmp_path):
    run = tiny(tmp_path, "32:16,64:8,96:4")
    first, second, last = (run.drawn(number) for number in range(3))
    assert [films.chunks[0].shape[1] for films in (first, second, last)] == [64, 64, 96]
    assert [len(films.mined) for films in (first, last)] == [24 + 7, 4 + 7]
    np.testing.assert_array_equal(first.mined, second.mined)
