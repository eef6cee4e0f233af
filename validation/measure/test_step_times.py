"""Tests of step_times.py with a tiny shape on the CPU: python3 -m unittest discover validation/measure"""

import contextlib
import csv
import io
import json
import random
import sys
import tempfile
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
import step_times as st

SHAPE = st.Shape(layers=2, hidden=64, heads=4, kv_heads=2, head_dim=16, intermediate=96, vocab=211)
TINY = ("--layers 2 --hidden 64 --heads 4 --kv-heads 2 --head-dim 16 --intermediate 96 --vocab 211 --max-batch-tokens 64 "
        "--max-sequences 8 --max-context 128 --block-size 16 --device cpu --threads 1").split()
torch.set_num_threads(1)


def tiny_model(blocks=20, dtype=torch.float32):
    return st.Model(SHAPE, blocks, 16, "cpu", dtype)


class PaddedStep(st.DecodeGraph):
    """A decode graph with all its padding, computed anew each time instead of captured."""

    shared_memory = staticmethod(lambda: None)

    def capture(self, layers, pool):
        self.layers = layers

    def run(self):
        return self.model.step(self.batch, self.layers).argmax(-1)


def told(words):
    """Exit code and what was said."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        return st.main([str(word) for word in words]), said.getvalue()


def plain_logits(model, ids):
    """Logits after every token by a plain forward pass: no cache, one head at a time, in double precision."""
    shape, count = model.shape, len(ids)
    double = lambda tensor: tensor.double()
    values = double(model.embedding)[ids]
    normed = lambda rows: rows / (rows.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    angles = torch.arange(count)[:, None].double() * 500000.0 ** -(torch.arange(0, shape.head_dim, 2).double() / shape.head_dim)
    half = shape.head_dim // 2

    def turned(rows):
        left, right = rows[:, :half], rows[:, half:]
        return torch.cat((left * angles.cos() - right * angles.sin(), right * angles.cos() + left * angles.sin()), 1)

    for into, out, gate_up, down in model.layers:
        mixed = normed(values) @ double(into).T
        head = lambda index: mixed[:, index * shape.head_dim:(index + 1) * shape.head_dim]
        results = []
        for index in range(shape.heads):
            kv = index // (shape.heads // shape.kv_heads)
            scores = turned(head(index)) @ turned(head(shape.heads + kv)).T / shape.head_dim ** 0.5
            scores = scores.masked_fill(torch.ones(count, count).triu(1).bool(), float("-inf"))
            results.append(scores.softmax(-1) @ head(shape.heads + shape.kv_heads + kv))
        values = values + torch.cat(results, 1) @ double(out).T
        gate, up = (normed(values) @ double(gate_up).T).chunk(2, -1)
        values = values + (torch.nn.functional.silu(gate) * up) @ double(down).T
    return normed(values) @ double(model.head).T


class Numbers(unittest.TestCase):
    """The cached, chunked and batched model against a plain forward pass."""

    def close(self, found, expected):
        torch.testing.assert_close(found.double(), expected.double(), rtol=1e-3, atol=1e-4)

    def setUp(self):
        draw = random.Random(1)
        self.ids = [draw.randrange(SHAPE.vocab) for _ in range(45)]
        self.model = tiny_model()
        self.plain = plain_logits(self.model, self.ids)
        self.blocks = [7, 2, 11]  # neither in order nor side by side

    def test_whole_prompt(self):
        batch = st.make_batch(self.model, [], [(self.ids, 0, self.blocks)])
        self.close(self.model.step(batch), self.plain[-1:])

    def test_prompt_in_chunks(self):
        for cuts in ([0, 16, 32, 45], [0, 1, 30, 45], [0, 44, 45]):
            for first, end in zip(cuts, cuts[1:]):
                logits = self.model.step(st.make_batch(self.model, [], [(self.ids[first:end], first, self.blocks)]))
                self.close(logits, self.plain[end - 1:end])

    def test_decodes_with_cache(self):
        self.model.step(st.make_batch(self.model, [], [(self.ids[:5], 0, self.blocks)]))
        for place in range(5, 45):
            logits = self.model.step(st.make_batch(self.model, [(self.ids[place], place, self.blocks)], []))
            self.close(logits, self.plain[place:place + 1])

    def test_mixed_iteration_leaves_sequences_alone(self):
        other = self.ids[::-1]
        reference = plain_logits(self.model, other)
        chunks = [(self.ids[:20], 0, self.blocks), (other[:33], 0, [1, 9, 4])]
        self.close(self.model.step(st.make_batch(self.model, [], chunks)), torch.stack([self.plain[19], reference[32]]))
        mixed = st.make_batch(self.model, [(other[33], 33, [1, 9, 4])], [(self.ids[20:45], 20, self.blocks)])
        self.close(self.model.step(mixed), torch.stack([reference[33], self.plain[44]]))

    def test_rows_and_blocks_of_padding_change_nothing(self):
        self.model.step(st.make_batch(self.model, [], [(self.ids[:44], 0, self.blocks)]))
        padded = PaddedStep(self.model, 4, 20)
        padded.load(st.make_batch(self.model, [(self.ids[44], 44, self.blocks)], []))
        self.close(self.model.step(padded.batch)[:1], self.plain[44:])

    def test_the_type_of_a_gpu(self):
        model = tiny_model(dtype=torch.bfloat16)
        plain = plain_logits(model, self.ids)
        for first, end in [(0, 20), (20, 44)]:
            logits = model.step(st.make_batch(model, [], [(self.ids[first:end], first, self.blocks)]))
        torch.testing.assert_close(logits.double(), plain[43:44], rtol=0.1, atol=0.1)
        logits = model.step(st.make_batch(model, [(self.ids[44], 44, self.blocks)], []))
        self.assertEqual(logits.dtype, torch.bfloat16)
        torch.testing.assert_close(logits.double(), plain[44:], rtol=0.1, atol=0.1)


class Serving(unittest.TestCase):
    """The scheduler and the loop."""

    def served(self, blocks, reserve, count=40, max_tokens=64):
        """Runs random requests with a stand-in for the model, looking at every iteration."""
        draw = random.Random(3)
        requests = [st.Request(str(i), 0.0, [0] * draw.randint(1, 150), draw.randint(1, 60)) for i in range(count)]
        queue = st.Scheduler(blocks, 16, max_tokens, 8, reserve)
        queue.waiting.extend(requests)
        steps = 0
        while queue.waiting or queue.running:
            planned = queue.plan()
            self.look(queue, planned, requests, blocks, max_tokens)
            queue.done(planned, [1] * len(planned), float(steps + 1))
            steps += 1
        self.assertTrue(all(len(request.made) == request.output for request in requests))
        self.assertEqual(queue.free, list(range(blocks)))
        return queue

    def look(self, queue, planned, requests, blocks, max_tokens):
        self.assertTrue(planned)
        self.assertLessEqual(sum(count for _, count in planned), max_tokens)
        self.assertLessEqual(len(queue.running), 8)
        held = [block for request in requests for block in request.blocks]
        self.assertEqual(sorted(held + queue.free), list(range(blocks)))  # none lost, none twice, none above capacity
        kinds = [request.decoding() for request, _ in planned]
        self.assertEqual(kinds, sorted(kinds, reverse=True))
        decoding = {request.name for request in queue.running if request.decoding()}
        self.assertEqual(decoding, {request.name for request, _ in planned if request.decoding()})  # no decode waits
        for request, count in planned:
            self.assertLessEqual(request.computed + count, 16 * len(request.blocks))
            self.assertGreaterEqual(count, 1)

    def test_conservation_and_limits(self):
        self.assertGreater(self.served(25, reserve=False).preemptions, 0)
        self.assertEqual(self.served(25, reserve=True).preemptions, 0)
        self.assertEqual(self.served(1000, reserve=False).preemptions, 0)

    def test_prompts_take_what_decodes_leave(self):
        queue = st.Scheduler(100, 16, 10, 8)
        queue.waiting.extend([st.Request("a", 0.0, [0] * 4, 9), st.Request("b", 0.0, [0] * 20, 9)])
        plans = []
        for _ in range(4):
            planned = queue.plan()
            plans.append([(request.name, count) for request, count in planned])
            queue.done(planned, [1] * len(planned), 1.0)
        self.assertEqual(plans, [[("a", 4), ("b", 6)], [("a", 1), ("b", 9)], [("a", 1), ("b", 5)], [("a", 1), ("b", 1)]])

    def test_preemption_and_graphs_do_not_change_the_output(self):
        draw = random.Random(5)
        prompts = [[draw.randrange(SHAPE.vocab) for _ in range(30)] for _ in range(3)]

        def outputs(blocks, graph=None):
            model = tiny_model(blocks)
            queue, runner = st.Scheduler(blocks, 16, 40, 8), st.Runner(model, 8, graph)
            requests = [st.Request(str(i), 0.0, prompt, 40) for i, prompt in enumerate(prompts)]
            queue.waiting.extend(requests)
            while queue.waiting or queue.running:
                planned = queue.plan()
                queue.done(planned, runner.run(planned), 1.0)
            return [request.made for request in requests], queue.preemptions

        (roomy, none), (tight, some) = outputs(20), outputs(8)
        self.assertEqual((none, roomy), (0, tight))
        self.assertEqual(outputs(20, PaddedStep), (roomy, 0))
        self.assertEqual(outputs(8, PaddedStep), (tight, some))
        self.assertGreater(some, 0)

    def test_files_of_a_run(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = [(0.01 * i, 10 + 7 * (i % 9), 1 + 5 * (i % 5)) for i in range(30)]
            trace = "arrived_at,num_prefill_tokens,num_decode_tokens\r\n" + "".join(f"{a},{p},{d}\r\n" for a, p, d in rows)
            (folder / "trace.csv").write_text("\ufeff" + trace, encoding="utf-8")
            words = ["serve", *TINY, "--requests", folder / "trace.csv", "--kv-tokens", 320, "--tick", 0.05, "--out", folder / "run"]
            code, said = told(words)
            self.assertEqual(code, 0, said)
            served = [json.loads(line) for line in (folder / "run/requests.jsonl").read_text().splitlines()]
            self.assertEqual([(row["input_toks"], row["output_toks"]) for row in served], [row[1:] for row in rows])
            for row in served:
                self.assertLessEqual(row["queued_ts"], row["scheduled_ts"])
                self.assertLess(row["scheduled_ts"], row["first_token_ts"])
                self.assertLessEqual(row["first_token_ts"], row["last_token_ts"])
            self.check_series(folder / "run", rows)
            meta = json.loads((folder / "run/meta.json").read_text())
            self.assertEqual((meta["num_requests"], meta["kv_cache"]["num_kv_tokens"], meta["tick_seconds"]), (30, 320, 0.05))
            self.assertNotIn(str(folder), json.dumps(meta))

    def check_series(self, run, rows):
        series = list(csv.DictReader((run / "timeseries.csv").read_text().splitlines()))
        self.assertEqual(list(series[0]), ["t", "prompt_throughput", "gen_throughput", "running", "waiting", "kv_cache_pct"])
        made = sum(float(row["gen_throughput"]) for row in series) * 0.05
        self.assertAlmostEqual(made, sum(output for _, _, output in rows), places=6)
        self.assertTrue(all(0 <= float(row["kv_cache_pct"]) <= 100 for row in series))
        steps = list(csv.DictReader((run / "steps.csv").read_text().splitlines()))
        prefill = sum(int(row["prefill_tokens"]) for row in steps)
        self.assertGreaterEqual(prefill, sum(prompt for _, prompt, _ in rows))
        computed = sum(float(row["prompt_throughput"]) for row in series) * 0.05
        self.assertAlmostEqual(computed, prefill, places=6)


class Profile(unittest.TestCase):
    """The measured grid."""

    def test_columns_resumption_and_another_shape(self):
        with tempfile.TemporaryDirectory() as name:
            words = ["profile", *TINY, "--repeats", 2, "--warm-up", 1, "--max-context", 512, "--kv-tokens", 1024, "--out", name]
            self.assertEqual(told(words)[0], 0)
            path = Path(name) / "profile.csv"
            whole = path.read_text()
            self.assertTrue(whole.startswith("prefill_tokens,decode_sequences,context_tokens,seconds,seconds_low,seconds_high,repeats"))
            rows = list(csv.DictReader(whole.splitlines()))
            places = [tuple(row[key] for key in ("prefill_tokens", "decode_sequences", "context_tokens", "prefill_pairs")) for row in rows]
            self.assertEqual(len(set(places)), len(rows))
            self.assertGreater(len(rows), 10)
            for row in rows:
                low, middle, high = (float(row[key]) for key in ("seconds_low", "seconds", "seconds_high"))
                self.assertTrue(0 < low <= middle <= high, row)
                self.assertLessEqual(int(row["prefill_tokens"]) + int(row["decode_sequences"]), 64)
            path.write_text(whole[:len(whole) // 2])  # as after a kill: the last line is cut off
            kept = path.read_text().splitlines()[:-1]
            self.assertIn(f"{len(kept) - 1} already measured", told(words)[1])
            again = path.read_text().splitlines()
            self.assertEqual((again[:len(kept)], len(again)), (kept, len(rows) + 1))
            self.assertIn("0 measured, 0 left", told(words)[1])
            path.write_text(whole + "a,b\n")
            self.assertIn("has a line that is no point", told(words)[1])
            code, said = told([*words, "--hidden", 32])
            self.assertEqual(code, 2)
            self.assertIn("measured with another shape", said)

    def test_context_is_what_all_sequences_hold_at_the_end(self):
        self.assertEqual(st.Point(0, 0, 8, 100).key(), (0, 8, 800, 0))
        self.assertEqual(st.Point(10, 30, 2, 100).key(), (10, 2, 240, 10 * 30 + 55))
        request = st.Request("a", 0.0, [0] * 50, 3)
        request.computed = 30
        self.assertEqual(st.columns_of([(request, 10)]), (10, 0, 40, 10 * 30 + 55))

    def test_fewer_layers_are_scaled(self):
        with tempfile.TemporaryDirectory() as name:
            words = ["profile", *TINY, "--layers", 40, "--measure-layers", 2, "--repeats", 2, "--seconds", 0.2, "--out", name]
            code, said = told(words)
            self.assertEqual(code, 0, said)
            self.assertIn("2 of 40 layers, times scaled to 40", said)
            self.assertEqual(json.loads((Path(name) / "environment.json").read_text())["measured_layers"], 2)


class Errors(unittest.TestCase):
    """What cannot be done is said in one line."""

    def refused(self, words, part):
        with tempfile.TemporaryDirectory() as name:
            code, said = told([*words, "--out", Path(name) / "out"])
            self.assertEqual(code, 2)
            self.assertIn(part, said)
            self.assertEqual(len(said.splitlines()), 1)

    def test_shapes(self):
        self.refused(["profile", "--model", "none-such"], "there is no model `none-such`; choose one of ")
        self.refused(["profile", "--layers", 2], "the shape lacks --hidden, --heads")
        self.refused(["profile", *TINY, "--kv-heads", 3], "a multiple of kv-heads")
        with tempfile.TemporaryDirectory() as name:
            sizes = "\n".join(f"{key} = 8" for key in st.SHAPE_KEYS)
            (Path(name) / "moe.toml").write_text(sizes + "\n[experts]\ncount = 8\n")
            (Path(name) / "dense.toml").write_text(sizes)
            self.refused(["profile", "--models", name, "--model", "moe"], "it has `experts`")
            self.assertEqual(st.shape_of_model("dense", Path(name)), dict.fromkeys(st.SHAPE_KEYS, 8))

    def test_a_model_that_does_not_fit(self):
        shape = st.Shape(*st.BUILT_IN["llama-3-70b"])
        self.assertEqual(shape.kv_bytes_per_token(2), 327680)
        self.assertAlmostEqual(shape.parameters() / 70.6e9, 1.0, places=2)
        with self.assertRaisesRegex(st.Refused, r"needed \(141,.* are free; choose fewer"):
            st.check_memory(shape, 1000, 2048, 256, torch.bfloat16, 80 * 10**9)

    def test_traces(self):
        head = "arrived_at,num_prefill_tokens,num_decode_tokens\n"
        for text, part in [("arrived_at,num_prefill_tokens\n0,1\n", "lacks the column num_decode_tokens"), (head, "no requests"),
                           (head + "0,5,5\n1,5,0\n", "line 3: expected a time of 0"), (head + "0,5\n", "line 2: expected a time and"),
                           (head + "nan,5,5\n", "line 2: expected a time of 0"), (head + "0,600,5\n", "needs 604 KV tokens")]:
            with tempfile.TemporaryDirectory() as name:
                (Path(name) / "t.csv").write_text(text)
                self.refused(["serve", *TINY, "--kv-tokens", 512, "--requests", Path(name) / "t.csv"], part)
        self.refused(["serve", *TINY, "--requests", "nowhere.csv"], "cannot be read")

    @unittest.skipIf(torch.cuda.is_available(), "there is a GPU")
    def test_no_gpu(self):
        self.refused(["profile", *TINY, "--device", "cuda"], "there is no CUDA device; choose --device cpu")


if __name__ == "__main__":
    unittest.main()
