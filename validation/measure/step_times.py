#!/usr/bin/env python3
"""Measure iteration times of a Llama-shaped transformer with random weights, or serve a request trace with it.

examples:
  step_times.py profile --model llama-3-8b --out my-gpu --seconds 300     profile.csv for `fluidsim calibrate`
  step_times.py profile --model llama-3-70b --measure-layers 8 --out big   8 of 80 layers, scaled to 80
  step_times.py serve --model llama-3-8b --requests trace.csv --out run    meta.json, requests.jsonl, timeseries.csv
  step_times.py profile --layers 2 --hidden 64 --heads 4 --kv-heads 2 --head-dim 16 --intermediate 128 --vocab 256 \\
      --max-batch-tokens 64 --max-sequences 8 --max-context 256 --device cpu --out tiny
"""

import argparse
import bisect
import csv
import json
import platform
import random
import statistics
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch.nn.attention.bias import causal_lower_right

COLUMNS = ["prefill_tokens", "decode_sequences", "context_tokens", "seconds", "seconds_low", "seconds_high", "repeats",
           "prefill_pairs"]
SHAPE_KEYS = ["layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocab"]
BUILT_IN = {
    "llama-2-7b": (32, 4096, 32, 32, 128, 11008, 32000),
    "llama-3-8b": (32, 4096, 32, 8, 128, 14336, 128256),
    "llama-3-70b": (80, 8192, 64, 8, 128, 28672, 128256),
    "llama-3.2-1b": (16, 2048, 32, 8, 64, 8192, 128256),
}


class Refused(Exception):
    """What cannot be measured or read, with the remedy."""


# ---------------------------------------------------------------------------------------------------------------- shape

@dataclass(frozen=True)
class Shape:
    """Sizes of a dense Llama-like transformer."""
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int

    def parameters(self):
        """Number of weights, the embedding and the output layer separately."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.layers * layer + 2 * self.vocab * self.hidden + self.hidden

    def kv_bytes_per_token(self, bytes_per_value):
        """Bytes of keys and values of one token in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * bytes_per_value


def read_shape(arguments):
    """The shape named by --model, with any size that was given put in its place."""
    sizes = shape_of_model(arguments.model, Path(arguments.models)) if arguments.model else {}
    sizes.update({key: getattr(arguments, key) for key in SHAPE_KEYS if getattr(arguments, key) is not None})
    missing = ["--" + key.replace("_", "-") for key in SHAPE_KEYS if key not in sizes]
    if missing:
        raise Refused(f"the shape lacks {', '.join(missing)}; give them or --model NAME")
    shape = Shape(**sizes)
    if min(sizes.values()) < 1 or shape.heads % shape.kv_heads or shape.head_dim % 2:
        raise Refused("the shape needs sizes of 1 or more, heads that are a multiple of kv-heads and an even head-dim")
    return shape


def shape_of_model(name, folder):
    """Sizes from FOLDER/NAME.toml, or from the small table here where there is no such file."""
    path = folder / f"{name}.toml"
    if not path.exists():
        if name in BUILT_IN:
            return dict(zip(SHAPE_KEYS, BUILT_IN[name]))
        known = sorted({file.stem for file in folder.glob("*.toml")} | set(BUILT_IN))
        raise Refused(f"there is no model `{name}`; choose one of {', '.join(known)}, or give the sizes")
    import tomllib  # Python 3.11; only for shapes from files
    with path.open("rb") as file:
        table = tomllib.load(file)
    unlike = [key for key in ("experts", "latent", "window") if key in table]
    missing = [key for key in SHAPE_KEYS if key not in table]
    if unlike or missing:
        why = f"it has `{unlike[0]}`" if unlike else f"it lacks `{missing[0]}`"
        raise Refused(f"the model `{name}` is not a dense Llama-like one ({why}); choose a dense model")
    return {key: int(table[key]) for key in SHAPE_KEYS}


def check_memory(shape, kv_tokens, max_tokens, max_rows, dtype, free_bytes):
    """Refuses a model whose weights, KV cache and largest iteration need more than the free bytes."""
    size = dtype.itemsize
    weights = shape.parameters() * size
    cache = kv_tokens * shape.kv_bytes_per_token(size)
    work = workspace_bytes(shape, max_tokens, max_rows, size)
    needed = weights + cache + work
    if needed > free_bytes:
        raise Refused(f"the model does not fit: {needed:,} bytes are needed ({weights:,} weights, {cache:,} KV cache of "
                      f"{kv_tokens} tokens, {work:,} workspace) and {free_bytes:,} are free; choose fewer tokens, "
                      "a smaller model, or --measure-layers N")


def workspace_bytes(shape, max_tokens, max_rows, size):
    """Bytes of the activations and logits of the largest iteration, roughly, with half a GiB for the libraries."""
    per_token = 6 * shape.hidden + 3 * shape.intermediate + 4 * shape.heads * shape.head_dim
    return max_tokens * per_token * size + 2 * max_rows * shape.vocab * size + 2**29 * (shape.hidden > 512)


# ---------------------------------------------------------------------------------------------------------- transformer

@dataclass
class Batch:
    """One iteration: first the decodes, one token each, then the chunks of prompts. Tensors on the device."""
    tokens: torch.Tensor     # ids
    positions: torch.Tensor  # place of each token in its sequence
    block: torch.Tensor      # block of the cache that takes its keys and values
    offset: torch.Tensor     # place in that block
    decodes: int
    owner: torch.Tensor      # of each block of the cache from 0: which decode reads it; `decodes` for none
    start: torch.Tensor      # position of the block's first token in its sequence
    chunks: list = field(default_factory=list)  # (first token, tokens, blocks of the sequence, length at the end)
    last: torch.Tensor = None  # indices of the tokens whose successor is predicted; None for all


class Model:
    """Random weights and a paged KV cache in one tensor, [layer, key or value, block, kv head, place, head_dim]."""

    def __init__(self, shape, blocks, block_size, device, dtype, seed=0):
        self.shape, self.block_size, self.blocks = shape, block_size, blocks
        self.device, self.dtype = torch.device(device), dtype
        generator = torch.Generator(device=self.device).manual_seed(seed)

        def weight(rows, columns):
            values = torch.empty(rows, columns, device=self.device, dtype=dtype)
            return values.normal_(0.0, columns ** -0.5, generator=generator)

        queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.embedding = weight(shape.vocab, shape.hidden)
        self.head = weight(shape.vocab, shape.hidden)
        self.layers = [(weight(queries + 2 * keys, shape.hidden), weight(shape.hidden, queries),
                        weight(2 * shape.intermediate, shape.hidden), weight(shape.hidden, shape.intermediate))
                       for _ in range(shape.layers)]
        self.norm = torch.ones(shape.hidden, device=self.device, dtype=dtype)
        # One block more than may be used: padding writes there.
        self.cache = torch.zeros(shape.layers, 2, blocks + 1, shape.kv_heads, block_size, shape.head_dim,
                                 device=self.device, dtype=dtype)
        powers = torch.arange(0, shape.head_dim, 2, device=self.device, dtype=torch.float32) / shape.head_dim
        self.frequencies = 500000.0 ** -powers

    @torch.inference_mode()
    def step(self, batch, layers=None):
        """Runs an iteration and returns the logits of `batch.last`; `layers` runs only that many layers."""
        values = functional.embedding(batch.tokens, self.embedding)
        turn = self.rotation(batch.positions)
        for index, (into, out, gate_up, down) in enumerate(self.layers[:layers]):
            values = values + functional.linear(self.attention(index, self.normed(values), into, turn, batch), out)
            gate, up = functional.linear(self.normed(values), gate_up).chunk(2, -1)
            values = values + functional.linear(functional.silu(gate) * up, down)
        if batch.last is not None:
            values = values[batch.last]
        return functional.linear(self.normed(values), self.head)

    def normed(self, values):
        """RMSNorm."""
        return functional.rms_norm(values, (self.shape.hidden,), self.norm, 1e-5)

    def rotation(self, positions):
        """Cosines and sines of the rotary embedding, [token, 1, head_dim / 2]."""
        angles = positions[:, None, None].float() * self.frequencies
        return angles.cos().to(self.dtype), angles.sin().to(self.dtype)

    def attention(self, layer, values, into, turn, batch):
        """Writes keys and values of the iteration into the cache, then attends. [token, heads · head_dim]"""
        shape = self.shape
        heads = functional.linear(values, into).view(len(values), -1, shape.head_dim)
        query, key, value = heads.split([shape.heads, shape.kv_heads, shape.kv_heads], 1)
        query, key = rotated(query, turn), rotated(key, turn)
        keys, held = self.cache[layer, 0], self.cache[layer, 1]
        keys[batch.block, :, batch.offset] = key
        held[batch.block, :, batch.offset] = value
        parts = []
        if batch.decodes:
            parts.append(decode_attention(query[:batch.decodes], keys, held, batch))
        for first, count, blocks, length in batch.chunks:
            parts.append(chunk_attention(query[first:first + count], keys[blocks], held[blocks], length))
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def rotated(heads, turn):
    """Rotary embedding of [token, head, head_dim]."""
    cosine, sine = turn
    left, right = heads.chunk(2, -1)
    return torch.cat((left * cosine - right * sine, right * cosine + left * sine), -1)


def decode_attention(query, keys, values, batch):
    """One token per sequence against its blocks, without copying them.

    Every block is attended by itself; the parts of a sequence are joined by their maxima and sums, so the time goes with
    the blocks held and not with the longest sequence. The heads of a group share their keys.
    """
    count, heads, size = query.shape
    kv_heads, places, owner = keys.shape[1], keys.shape[2], batch.owner
    spare = functional.pad(query.view(count, kv_heads, heads // kv_heads, size), (0, 0, 0, 0, 0, 0, 0, 1))
    lengths = functional.pad(batch.positions[:count] + 1, (0, 1))
    scores = torch.matmul(spare[owner], keys[:len(owner)].transpose(-1, -2)).float() * size ** -0.5
    place = batch.start[:, None] + torch.arange(places, device=query.device)
    scores.masked_fill_((place >= lengths[owner][:, None])[:, None, None, :], -1e30)
    top = scores.amax(-1)
    peak = torch.full((count + 1, *top.shape[1:]), -1e30, device=query.device)
    peak.scatter_reduce_(0, owner[:, None, None].expand_as(top), top, "amax")
    weights = torch.exp(scores - peak[owner][..., None])
    total = torch.zeros_like(peak).index_add_(0, owner, weights.sum(-1))
    part = torch.matmul(weights.to(values.dtype), values[:len(owner)]).float()
    joined = torch.zeros(*peak.shape, size, device=query.device).index_add_(0, owner, part)
    return (joined / total.clamp_min(1e-30)[..., None])[:count].reshape(count, heads * size).to(query.dtype)


def chunk_attention(query, keys, values, length):
    """A chunk at the end of its sequence, causal: query [token, head, head_dim], keys [block, kv head, place, head_dim]."""
    count, heads, size = query.shape
    group = heads // keys.shape[1]

    def whole(blocks):
        joined = blocks.transpose(0, 1).reshape(blocks.shape[1], -1, size)[:, :length]
        return joined.repeat_interleave(group, 0)[None] if group > 1 else joined[None]

    mixed = functional.scaled_dot_product_attention(query.transpose(0, 1)[None], whole(keys), whole(values),
                                                    attn_mask=causal_lower_right(count, length))
    return mixed[0].transpose(0, 1).reshape(count, heads * size)


def make_batch(model, decodes, chunks):
    """A batch from decodes (token, position, blocks) and chunks (tokens, first position, blocks)."""
    size, device = model.block_size, model.device
    tokens, positions, block, parts = [], [], [], []
    for token, position, blocks in decodes:
        tokens.append(token)
        positions.append(position)
        block.append(blocks[position // size])
    for ids, first, blocks in chunks:
        end = first + len(ids)
        held = blocks[:-(-end // size)]
        parts.append((len(tokens), len(ids), torch.tensor(held, device=device), end))
        tokens.extend(ids)
        positions.extend(range(first, end))
        block.extend(blocks[place // size] for place in range(first, end))
    reach = 1 + max((block for _, _, blocks in decodes for block in blocks), default=-1)
    owner, start = [len(decodes)] * reach, [0] * reach
    for index, (_, _, blocks) in enumerate(decodes):
        for turn, held in enumerate(blocks):
            owner[held], start[held] = index, turn * size
    on_device = lambda numbers: torch.tensor(numbers, dtype=torch.long, device=device)
    places = on_device(positions)
    last = list(range(len(decodes))) + [first + count - 1 for first, count, _, _ in parts]
    return Batch(on_device(tokens), places, on_device(block), places % size, len(decodes), on_device(owner),
                 on_device(start), parts, on_device(last) if parts else None)


class DecodeGraph:
    """A CUDA graph of the decode-only iteration of a number of sequences over a number of blocks."""

    def __init__(self, model, sequences, blocks, layers=None, pool=None):
        zeros = lambda count: torch.zeros(count, dtype=torch.long, device=model.device)
        self.model = model
        self.batch = Batch(zeros(sequences), zeros(sequences), zeros(sequences), zeros(sequences), sequences,
                           zeros(blocks), zeros(blocks))
        self.load(None)
        self.capture(layers, pool)

    @staticmethod
    def shared_memory():
        """Memory that graphs may share of which one runs at a time."""
        return torch.cuda.graph_pool_handle()

    def capture(self, layers, pool):
        """Records the iteration, after two others that load its kernels."""
        model, aside = self.model, torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(2):
                model.step(self.batch, layers).argmax(-1)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool):
            self.chosen = model.step(self.batch, layers).argmax(-1)

    def load(self, batch):
        """Copies a batch into the graph's own tensors; what is left over writes into the spare block."""
        own = self.batch
        own.tokens.zero_(), own.positions.zero_(), own.offset.zero_(), own.start.zero_()
        own.block.fill_(self.model.blocks)
        own.owner.fill_(own.decodes)
        if batch is None:
            return
        for name in ("tokens", "positions", "block", "offset"):
            getattr(own, name)[:batch.decodes] = getattr(batch, name)
        own.owner[:len(batch.owner)] = batch.owner.masked_fill(batch.owner == batch.decodes, own.decodes)
        own.start[:len(batch.start)] = batch.start

    def run(self):
        """Replays the iteration; returns the chosen tokens, on the device."""
        self.graph.replay()
        return self.chosen


# -------------------------------------------------------------------------------------------------------------- profile

@dataclass(frozen=True)
class Point:
    """An iteration to be measured: tokens of a prompt after `before` earlier ones, and decodes of `each` KV tokens."""
    prefill: int
    before: int
    decodes: int
    each: int

    def key(self):
        """Its columns: prompt tokens, decodes, KV tokens held at the end, pairs of a prompt token and one at or before it."""
        context = self.decodes * self.each + (self.before + self.prefill if self.prefill else 0)
        return (self.prefill, self.decodes, context, self.prefill * self.before + self.prefill * (self.prefill + 1) // 2)

    def blocks(self, size):
        """Blocks of the cache it needs."""
        return self.decodes * -(-self.each // size) + (-(-(self.before + self.prefill) // size) if self.prefill else 0)


def design(max_tokens, max_sequences, max_context, max_kv_tokens, block_size):
    """The points: decodes alone, chunks alone with context before them, and both together."""
    counts = doubling(1, max_sequences, 2)
    chunks = doubling(min(16, max_tokens), max_tokens, 2)
    contexts = doubling(min(128, max_context), max_context, 4)
    points = {Point(0, 0, count, each) for count in counts for each in contexts}
    points |= {Point(chunk, before, 0, 0) for chunk in chunks for before in [0] + contexts if before + chunk <= max_context}
    points |= {Point(chunk, 0, count, each) for chunk in chunks[::2] + chunks[-1:] for count in counts[1::2]
               for each in contexts if chunk <= max_context}
    points |= {Point(max_tokens - count, 0, count, each) for count in counts[1::2] for each in contexts[:2]
               if count < max_tokens <= max_context}
    fitting = [point for point in points if point.prefill + point.decodes <= max_tokens
               and point.blocks(block_size) * block_size <= max_kv_tokens]
    unique = {point.key(): point for point in sorted(fitting, key=asdict_key)}
    return list(unique.values())


def asdict_key(point):
    """Sorts points."""
    return (point.prefill, point.before, point.decodes, point.each)


def doubling(first, last, factor):
    """first, first · factor, …, and last."""
    numbers = []
    while first < last:
        numbers.append(first)
        first *= factor
    return numbers + [last]


def batch_of(model, point, seed):
    """A batch of random tokens for a point; its sequences lie one after another in the cache."""
    draw, size, taken = random.Random(seed), model.block_size, 0

    def held(tokens):
        nonlocal taken
        first, taken = taken, taken - (-tokens // size)
        return list(range(first, taken))

    token = lambda: draw.randrange(model.shape.vocab)
    decodes = [(token(), point.each - 1, held(point.each)) for _ in range(point.decodes)]
    chunks = []
    if point.prefill:
        chunks.append(([token() for _ in range(point.prefill)], point.before, held(point.before + point.prefill)))
    return make_batch(model, decodes, chunks)


def times(model, batch, layers, warm_up, repeats, deadline):
    """Seconds of repeated iterations; the host's preparation of the batch is not in them."""
    cuda = model.device.type == "cuda"
    if cuda and not batch.chunks:
        graph = DecodeGraph(model, batch.decodes, len(batch.owner), layers)
        graph.load(batch)
        run = graph.run
    else:
        run = lambda: model.step(batch, layers).argmax(-1)
    for _ in range(warm_up):
        run()
    found, repeats = [], max(2, repeats)
    while len(found) < repeats and (len(found) < 3 or time.perf_counter() < deadline):
        found.append(timed_on_gpu(run) if cuda else timed_on_cpu(run))
    return found


def timed_on_gpu(run):
    """Seconds of one call between two events of the device."""
    before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    before.record()
    run()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1e3


def timed_on_cpu(run):
    """Seconds of one call."""
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def quartiles(found):
    """Lower quartile, median, upper quartile."""
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return low, middle, high


def measured_row(model, point, full_layers, arguments):
    """The columns of a point. With fewer layers measured, time = without layers + (with − without) · all / measured."""
    batch = batch_of(model, point, arguments.seed)
    deadline = time.perf_counter() + arguments.point_seconds
    low, middle, high = quartiles(found := times(model, batch, None, arguments.warm_up, arguments.repeats, deadline))
    if model.shape.layers < full_layers:
        deadline = time.perf_counter() + arguments.point_seconds
        bare = statistics.median(times(model, batch, 0, arguments.warm_up, arguments.repeats, deadline))
        scale = full_layers / model.shape.layers
        low, middle, high = (bare + max(0.0, value - bare) * scale for value in (low, middle, high))
    if model.device.type == "cuda":
        torch.cuda.empty_cache()  # the graph's own memory
    prefill, decodes, context, pairs = point.key()
    return [prefill, decodes, context, f"{middle:.9g}", f"{low:.9g}", f"{high:.9g}", len(found), pairs]


def points_done(path):
    """Keys of the points in the CSV; a line that was cut off by a kill is taken out of the file."""
    if not path.exists() or not (text := path.read_text()):
        path.write_text(",".join(COLUMNS) + "\n")
        return set()
    if not text.endswith("\n"):
        text = text[:text.rfind("\n") + 1]
        path.write_text(text)
    lines = text.splitlines() or [""]
    if lines[0] != ",".join(COLUMNS):
        raise Refused(f"{path} has other columns than {','.join(COLUMNS)}; choose another --out")
    try:
        return {tuple(int(row[name]) for name in (*COLUMNS[:3], "prefill_pairs")) for row in csv.DictReader(lines)}
    except (TypeError, ValueError):
        raise Refused(f"{path} has a line that is no point; correct it or choose another --out") from None


def profile(arguments):
    """Measures the grid into OUT/profile.csv, in shuffled order, until it is complete or the seconds are over."""
    shape, measured = read_shape(arguments), None
    device, dtype = device_and_dtype(arguments.device)
    measured = replace(shape, layers=min(shape.layers, arguments.measure_layers or shape.layers))
    size = arguments.block_size
    kv_tokens = arguments.kv_tokens or default_kv_tokens(measured, arguments, device, dtype)
    points = design(arguments.max_batch_tokens, arguments.max_sequences, arguments.max_context, kv_tokens, size)
    if not points:
        raise Refused("no point of the grid fits; give more --kv-tokens or --max-batch-tokens")
    blocks = max(point.blocks(size) for point in points)
    check_memory(measured, (blocks + 1) * size, arguments.max_batch_tokens, arguments.max_sequences + 1, dtype, free_bytes(device))
    folder = make_folder(arguments.out)
    keep_environment(folder / "environment.json", environment(shape, measured, device, dtype, arguments))
    path = folder / "profile.csv"
    done = points_done(path)
    left = [point for point in points if point.key() not in done]
    random.Random(arguments.seed).shuffle(left)
    say(f"{len(points)} points, {len(points) - len(left)} already measured; {scaling(shape, measured)}")
    model = Model(measured, blocks, size, device, dtype, arguments.seed)
    end, count = time.perf_counter() + arguments.seconds, 0
    with path.open("a") as file:
        for point in left:
            if time.perf_counter() > end:
                break
            file.write(",".join(map(str, measured_row(model, point, shape.layers, arguments))) + "\n")
            file.flush()
            count += 1
    say(f"{count} measured, {len(left) - count} left; {path}" + ("" if count == len(left) else "; run again to go on"))


def scaling(shape, measured):
    """How many layers are measured, in words."""
    if measured.layers == shape.layers:
        return f"all {shape.layers} layers"
    return f"{measured.layers} of {shape.layers} layers, times scaled to {shape.layers}"


# ---------------------------------------------------------------------------------------------------------- environment

def device_and_dtype(name):
    """cuda with bf16 where there is one, else the CPU with fp32."""
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if not chosen.startswith("cuda"):
        return "cpu", torch.float32
    if not torch.cuda.is_available():
        raise Refused("there is no CUDA device; choose --device cpu")
    chosen = chosen if ":" in chosen else "cuda:0"
    torch.cuda.set_device(chosen)
    return chosen, torch.bfloat16


def free_bytes(device):
    """Free memory of the GPU; no limit is known for the CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else 2**63


def default_kv_tokens(shape, arguments, device, dtype):
    """Nine tenths of what weights and workspace leave on a GPU; on the CPU what the largest batch could hold, up to 65 536."""
    if not device.startswith("cuda"):
        return min(65536, arguments.max_sequences * arguments.max_context)
    size = dtype.itemsize
    work = workspace_bytes(shape, arguments.max_batch_tokens, arguments.max_sequences + 1, size)
    room = 0.9 * (free_bytes(device) - shape.parameters() * size - work)
    return max(arguments.block_size, int(room / shape.kv_bytes_per_token(size)))


def environment(shape, measured, device, dtype, arguments):
    """What the times depend on, without paths or names of machines."""
    found = {"device": platform.machine() + " CPU", "threads": torch.get_num_threads()}
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        found = {"device": properties.name, "memory_bytes": properties.total_memory, "cuda": torch.version.cuda,
                 **nvidia_smi()}
    return {**found, "torch": torch.__version__, "python": platform.python_version(), "dtype": str(dtype).split(".")[1],
            "model": arguments.model, "shape": asdict(shape), "measured_layers": measured.layers,
            "block_size": arguments.block_size, "seed": arguments.seed,
            "measured_at": datetime.now(timezone.utc).strftime("%Y-%m-%d")}


def nvidia_smi():
    """Driver, clocks (MHz) and power limit (W), as far as they can be read."""
    names = ["driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "power.limit", "temperature.gpu"]
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader,nounits"],
                              capture_output=True, text=True, timeout=20, check=True)
        return dict(zip(names, done.stdout.splitlines()[0].split(", ")))
    except (OSError, subprocess.SubprocessError, IndexError):
        return {}


def keep_environment(path, found):
    """Writes the environment, or refuses to add to points that were measured in another one."""
    same = ("device", "torch", "dtype", "shape", "measured_layers", "block_size")
    if path.exists():
        try:
            earlier = json.loads(path.read_text())
        except ValueError:
            raise Refused(f"{path} is not JSON; choose another --out") from None
        other = [key for key in same if earlier.get(key) != found.get(key)]
        if other:
            raise Refused(f"{path} was measured with another {', '.join(other)}; choose another --out")
        return
    path.write_text(json.dumps(found, indent=2) + "\n")


def make_folder(name):
    """The folder for the results."""
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(text):
    """A line for the person who waits."""
    print(text, file=sys.stderr)


# ---------------------------------------------------------------------------------------------------------------- serve

@dataclass
class Request:
    """A request of the trace and what became of it; times in seconds of time.monotonic()."""
    name: str
    arrives: float               # since the start, as in the trace over --speed
    prompt: list                 # ids
    output: int                  # tokens, forced
    made: list = field(default_factory=list)
    computed: int = 0            # tokens whose keys and values are in the cache
    blocks: list = field(default_factory=list)
    queued: float = None
    scheduled: float = None
    first: float = None
    last: float = None
    preemptions: int = 0

    def known(self):
        """Tokens that are to be in the cache before the next one is made."""
        return len(self.prompt) + len(self.made)

    def decoding(self):
        """Whether its next iteration makes a token from one token."""
        return bool(self.made) and self.computed == self.known() - 1


class Scheduler:
    """Continuous batching: running requests first, then new ones, prompts in chunks of what is left of the batch.

    Running requests are served in the order of their admission. One that finds no block pushes out the request that was
    admitted last, which starts over with its tokens so far as its prompt. A new request must find blocks for all of its
    prompt (greedy) or for its prompt and output (reserve); then it takes them as it needs them.
    """

    def __init__(self, blocks, block_size, max_tokens, max_sequences, reserve=False):
        self.blocks, self.size, self.max_tokens, self.max_sequences = blocks, block_size, max_tokens, max_sequences
        self.free, self.running, self.waiting, self.reserve = list(range(blocks)), [], deque(), reserve
        self.preemptions = 0

    def plan(self):
        """The next iteration: (request, tokens) pairs, decodes first; their blocks are taken."""
        left, planned, pushed_out = self.max_tokens, [], False
        for request in list(self.running):
            if left == 0 or request not in self.running:
                continue
            count = min(request.known() - request.computed, left)
            before = self.preemptions
            if self.make_room(request, count):
                planned.append((request, count))
                left -= count
            pushed_out |= self.preemptions > before
        while left and self.waiting and not pushed_out and len(self.running) < self.max_sequences:
            request = self.waiting[0]
            if self.held(request) > len(self.free) - self.promised():
                break
            count = min(request.known(), left)
            self.running.append(self.waiting.popleft())
            self.make_room(request, count)
            planned.append((request, count))
            left -= count
        return sorted(planned, key=lambda pair: not pair[0].decoding())

    def held(self, request):
        """Blocks that a request must find to be admitted."""
        tokens = len(request.prompt) + request.output - 1 if self.reserve else request.known()
        return -(-tokens // self.size)

    def promised(self):
        """Blocks that admitted requests may still take: to their end, or to the end of their prompts."""
        return sum(max(0, self.held(request) - len(request.blocks)) for request in self.running)

    def make_room(self, request, count):
        """Takes blocks for more tokens of a running request; False when it was itself pushed out."""
        wanted = -(-(request.computed + count) // self.size) - len(request.blocks)
        while wanted > len(self.free):
            victim = self.running[-1]
            self.push_out(victim)
            if victim is request:
                return False
        request.blocks += [self.free.pop(0) for _ in range(wanted)]
        return True

    def push_out(self, request):
        """Recompute preemption: back to the head of the queue, without its blocks."""
        self.running.remove(request)
        self.release(request)
        request.computed = 0
        request.preemptions += 1
        self.preemptions += 1
        self.waiting.appendleft(request)

    def release(self, request):
        """Gives the blocks back; the lowest free block is always taken first."""
        for block in request.blocks:
            bisect.insort(self.free, block)
        request.blocks = []

    def done(self, planned, chosen, now):
        """Enters what an iteration made: `chosen` has a token for every request of the plan. Returns the tokens that count."""
        made = 0
        for (request, count), token in zip(planned, chosen):
            request.computed += count
            if request.computed < request.known():
                continue
            request.made.append(token)
            request.first, request.last, made = request.first or now, now, made + 1
            if len(request.made) == request.output:
                self.running.remove(request)
                self.release(request)
        return made


class Runner:
    """Runs planned iterations on a model, decode-only ones by graphs (a class such as DecodeGraph) if given.

    There is a graph for 1, 2, 4, … sequences over each eighth of the cache; an iteration takes the next larger one.
    """

    def __init__(self, model, max_sequences, graph=None):
        self.model, self.graphs = model, {}
        self.counts = doubling(1, max_sequences, 2)
        self.reaches = sorted({-(-model.blocks * eighth // 8) for eighth in range(1, 9)})
        pool = graph.shared_memory() if graph else None
        for count in reversed(self.counts if graph else []):
            for reach in reversed(self.reaches):
                self.graphs[count, reach] = graph(model, count, reach, pool=pool)

    def run(self, planned):
        """The token chosen for each request of the plan (for chunks that end before their prompt, of no meaning)."""
        decodes, chunks = [], []
        for request, count in planned:
            first, end = request.computed, request.computed + count
            if request.decoding():
                decodes.append((request.made[-1], first, request.blocks))
            else:
                chunks.append(((request.prompt + request.made)[first:end], first, request.blocks))
        batch = make_batch(self.model, decodes, chunks)
        if chunks or not self.graphs:
            return self.model.step(batch).argmax(-1).tolist()
        count = self.counts[bisect.bisect_left(self.counts, batch.decodes)]
        graph = self.graphs[count, self.reaches[bisect.bisect_left(self.reaches, len(batch.owner))]]
        graph.load(batch)
        return graph.run()[:batch.decodes].tolist()


class Recorder:
    """Writes timeseries.csv, a line per tick as it passes, and steps.csv, a line per iteration."""

    def __init__(self, folder, tick, started, scheduler):
        self.tick, self.started, self.scheduler, self.ticks = tick, started, scheduler, 0
        self.series = (folder / "timeseries.csv").open("w")
        self.series.write("t,prompt_throughput,gen_throughput,running,waiting,kv_cache_pct\n")
        self.steps = (folder / "steps.csv").open("w")
        self.steps.write(",".join([*COLUMNS[:4], "prefill_pairs"]) + "\n")
        self.prompt = self.made = 0

    def step(self, columns, seconds):
        """An iteration with its prompt tokens, decodes, KV tokens, pairs, and its time, host and all."""
        self.steps.write(",".join(map(str, [*columns[:3], f"{seconds:.9g}", columns[3]])) + "\n")

    def count(self, prompt, made):
        """Prompt tokens computed and tokens made."""
        self.prompt, self.made = self.prompt + prompt, self.made + made

    def until(self, now):
        """Writes the ticks that have passed; what was counted since the last goes to the first of them."""
        while now >= self.next():
            self.ticks += 1
            queue, total = self.scheduler, self.scheduler.blocks
            share = 100 * (total - len(queue.free)) / total
            self.series.write(f"{self.ticks * self.tick:.10g},{self.prompt / self.tick:.10g},{self.made / self.tick:.10g},"
                              f"{len(queue.running)},{len(queue.waiting)},{share:.2f}\n")
            self.prompt = self.made = 0

    def next(self):
        """When the next tick ends."""
        return self.started + (self.ticks + 1) * self.tick

    def close(self):
        """Writes a last tick, and ends the files."""
        self.until(self.next())
        self.series.close()
        self.steps.close()


def columns_of(planned):
    """prefill_tokens, decode_sequences, context_tokens, prefill_pairs of an iteration, before it is entered."""
    chunks = [(request.computed, count) for request, count in planned if not request.decoding()]
    prefill = sum(count for _, count in chunks)
    context = sum(request.computed + count for request, count in planned)
    pairs = sum(count * before + count * (count + 1) // 2 for before, count in chunks)
    return prefill, len(planned) - len(chunks), context, pairs


def run_trace(requests, scheduler, runner, folder, tick):
    """Serves the requests in real time; returns the instant of the start."""
    coming, started = deque(requests), time.monotonic()
    record = Recorder(folder, tick, started, scheduler)
    while coming or scheduler.waiting or scheduler.running:
        now = time.monotonic()
        record.until(now)
        while coming and coming[0].arrives <= now - started:
            coming[0].queued = now
            scheduler.waiting.append(coming.popleft())
        planned = scheduler.plan()
        if not planned:
            if scheduler.waiting:
                raise Refused("the scheduler stands still with requests waiting: a fault of this program")
            time.sleep(max(0.0, min(started + coming[0].arrives, record.next()) - time.monotonic()))
            continue
        for request, _ in planned:
            request.scheduled = request.scheduled or now
        columns = columns_of(planned)
        chosen = runner.run(planned)
        end = time.monotonic()
        record.count(columns[0], scheduler.done(planned, chosen, end))
        record.step(columns, end - now)
    record.close()
    return started


def read_requests(path, speed, vocab, seed):
    """The trace, sorted by arrival, with random prompts."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}") from None
    names = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"]
    table = csv.DictReader(lines)
    missing = [name for name in names if name not in (table.fieldnames or [])]
    if missing:
        raise Refused(f"{path} lacks the column {missing[0]}; give {','.join(names)}")
    rows = [read_row(path, table.line_num, row, names) for row in table]
    if not rows:
        raise Refused(f"{path} has no requests")
    draw, first = random.Random(seed), min(arrival for arrival, _, _ in rows)
    return [Request(f"bench-{index}", (arrival - first) / speed, [draw.randrange(vocab) for _ in range(prompt)], output)
            for index, (arrival, prompt, output) in enumerate(sorted(rows, key=lambda row: row[0]))]


def read_row(path, line, row, names):
    """Arrival in seconds, prompt tokens, output tokens of a line."""
    try:
        arrival, prompt, output = float(row[names[0]]), int(row[names[1]]), int(row[names[2]])
    except (TypeError, ValueError):
        raise Refused(f"{path}, line {line}: expected a time and two whole numbers") from None
    if not 0 <= arrival < float("inf") or prompt < 1 or output < 1:
        raise Refused(f"{path}, line {line}: expected a time of 0 or more and at least 1 token of prompt and output")
    return arrival, prompt, output


def serve(arguments):
    """Serves a trace and writes meta.json, requests.jsonl, timeseries.csv and steps.csv into OUT."""
    shape = read_shape(arguments)
    device, dtype = device_and_dtype(arguments.device)
    if arguments.measure_layers:
        raise Refused("--measure-layers is of `profile`; a served model runs whole, or choose fewer --layers")
    if arguments.speed <= 0 or arguments.tick <= 0:
        raise Refused("--speed and --tick must be above 0")
    size = arguments.block_size
    blocks = (arguments.kv_tokens or default_kv_tokens(shape, arguments, device, dtype)) // size
    requests = read_requests(arguments.requests, arguments.speed, shape.vocab, arguments.seed)
    for request in requests:
        if len(request.prompt) + request.output - 1 > blocks * size:
            raise Refused(f"request {request.name} needs {len(request.prompt) + request.output - 1} KV tokens and there "
                          f"are {blocks * size}; give more --kv-tokens or leave it out")
    check_memory(shape, (blocks + 1) * size, arguments.max_batch_tokens, arguments.max_sequences, dtype, free_bytes(device))
    folder = make_folder(arguments.out)
    model = Model(shape, blocks, size, device, dtype, arguments.seed)
    graph = DecodeGraph if device.startswith("cuda") and not arguments.no_graphs else None
    runner = Runner(model, arguments.max_sequences, graph)
    scheduler = Scheduler(blocks, size, arguments.max_batch_tokens, arguments.max_sequences, arguments.reserve)
    warm_up(model, arguments.max_batch_tokens)
    since_epoch = time.time() - time.monotonic()
    started = run_trace(requests, scheduler, runner, folder, arguments.tick)
    write_requests(folder / "requests.jsonl", requests, started, since_epoch)
    found = environment(shape, shape, device, dtype, arguments)
    written = meta(arguments, found, len(requests), blocks, started + since_epoch, scheduler.preemptions)
    (folder / "meta.json").write_text(json.dumps(written, indent=2) + "\n")
    say(f"{len(requests)} requests, {scheduler.preemptions} preemptions, {max(r.last for r in requests) - started:.3f} s; {folder}")


def warm_up(model, max_tokens):
    """Runs some chunks, so that the first request does not wait for kernels to be loaded."""
    for tokens in doubling(1, min(max_tokens, model.blocks * model.block_size), 4):
        model.step(batch_of(model, Point(tokens, 0, 0, 0), 0)).argmax(-1).tolist()


def write_requests(path, requests, started, since_epoch):
    """A line of JSON per request."""
    with path.open("w") as file:
        for request in requests:
            row = {"request_id": request.name, "input_toks": len(request.prompt), "output_toks": len(request.made),
                   "arrival_time": since_epoch + started + request.arrives, "queued_ts": request.queued,
                   "scheduled_ts": request.scheduled, "first_token_ts": request.first, "last_token_ts": request.last}
            file.write(json.dumps(row) + "\n")


def meta(arguments, found, requests, blocks, started, preemptions):
    """The settings of a run under the names of a vLLM run, with what has no such name under `step_times`."""
    at = lambda seconds: datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
    name = arguments.model or "random weights"
    return {
        "schema_version": 1, "model": name, "vllm_version": None,
        "engine_kwargs": {
            "model": name, "tensor_parallel_size": 1, "data_parallel_size": 1, "enable_expert_parallel": False,
            "max_num_seqs": arguments.max_sequences, "max_num_batched_tokens": arguments.max_batch_tokens,
            "max_model_len": blocks * arguments.block_size, "dtype": found["dtype"], "kv_cache_dtype": "auto",
            "seed": arguments.seed},
        "dataset_path": None, "dataset_hash": None, "num_requests": requests,
        "started_at": at(started), "finished_at": at(time.time()), "tick_seconds": arguments.tick,
        "kv_cache": {"num_gpu_blocks": blocks, "num_cpu_blocks": None, "block_size": arguments.block_size,
                     "gpu_memory_utilization": None, "enable_prefix_caching": False, "kv_cache_memory_bytes": None,
                     "num_kv_tokens": blocks * arguments.block_size},
        "hardware": {"torch_version": torch.__version__, "cuda_version": found.get("cuda"), "device_count": 1,
                     "device_name": found["device"], "device_total_memory_bytes": found.get("memory_bytes"),
                     "device_capability": None},
        "step_times": {"environment": found, "admission": "reserve" if arguments.reserve else "greedy",
                       "speed": arguments.speed, "preemptions": preemptions},
    }


# --------------------------------------------------------------------------------------------------------- command line

def parser():
    """The command line."""
    shared = argparse.ArgumentParser(add_help=False)
    shape = shared.add_argument_group("shape")
    shape.add_argument("--model", help="name of a file in the models folder, or of " + ", ".join(BUILT_IN))
    shape.add_argument("--models", default=Path(__file__).resolve().parents[2] / "models" / "llm", help="folder of shapes")
    for key in SHAPE_KEYS:
        shape.add_argument("--" + key.replace("_", "-"), type=int)
    shape.add_argument("--measure-layers", type=int, metavar="N", help="measure N layers and scale the times to all")
    limits = shared.add_argument_group("limits")
    for name, number, text in [("max-batch-tokens", 2048, "tokens of an iteration"),
                               ("max-sequences", 256, "sequences of an iteration"),
                               ("max-context", 8192, "tokens of the longest sequence in the grid"),
                               ("block-size", 64, "tokens of a block of the KV cache")]:
        limits.add_argument("--" + name, type=positive, default=number, help=f"{text} (default {number})")
    limits.add_argument("--kv-tokens", type=positive, help="tokens of the KV cache (default: what the GPU can hold)")
    shared.add_argument("--device", help="cuda or cpu (default: cuda where there is one)")
    shared.add_argument("--threads", type=positive, help="threads on the CPU")
    shared.add_argument("--seed", type=int, default=0)
    shared.add_argument("--out", required=True, help="folder for the results")
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True)
    one = commands.add_parser("profile", parents=[shared], help="measure a grid of iterations into OUT/profile.csv")
    one.add_argument("--seconds", type=float, default=600.0, help="stop after that long; run again to go on (default 600)")
    one.add_argument("--point-seconds", type=float, default=2.0, help="at most that long per point, after 3 repeats")
    one.add_argument("--repeats", type=positive, default=20, help="iterations per point, at least 2 (default 20)")
    one.add_argument("--warm-up", type=positive, default=3, help="iterations before them (default 3)")
    two = commands.add_parser("serve", parents=[shared], help="serve a trace of requests by continuous batching")
    two.add_argument("--requests", required=True, help="CSV: arrived_at (s), num_prefill_tokens, num_decode_tokens")
    two.add_argument("--speed", type=float, default=1.0, help="arrivals that many times as fast (default 1)")
    two.add_argument("--tick", type=float, default=1.0, help="seconds between lines of timeseries.csv (default 1)")
    two.add_argument("--reserve", action="store_true", help="admit only what fits with all of its output")
    two.add_argument("--no-graphs", action="store_true", help="no CUDA graphs")
    return whole


def positive(text):
    """A whole number of 1 or more."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def main(words=None):
    """Runs the command; exit code 2 for what cannot be done."""
    arguments = parser().parse_args(words)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        {"profile": profile, "serve": serve}[arguments.command](arguments)
    except Refused as refusal:
        say(f"error: {refusal}")
        return 2
    except torch.OutOfMemoryError as error:
        say(f"error: the GPU's memory is full ({str(error).splitlines()[0]}); choose fewer tokens, or --measure-layers N")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
