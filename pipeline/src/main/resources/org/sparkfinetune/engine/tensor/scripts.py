# TorchScript, compiled from this text by libtorch when a process starts (see Scripts.java).
#
# Shapes: N tokens of all rows laid one after the other, H hidden, I intermediate, V vocabulary,
#         Q query heads, K key/value heads, D head size, R LoRA's r.
# A tensor of no elements stands for "not there" (no bias, no LoRA, no dropout).
# Gradients are written by hand: a layer's backward is known, so nothing here records a graph and
# every intermediate dies with its last use. dtype numbers: 3 int32, 4 int64, 6 float32, 15 bfloat16.
# All branches are compiled everywhere: an operator of CUDA's is known, though not there, to a libtorch for CPUs.
# On a GPU a kernel costs a launch and a pass over memory: where `x.is_cuda` asks, the same is done in fewer.
# `deterministic`: on a GPU too the same inputs give the same bits.

class Ops(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  blocks : bool
  deterministic : bool

  def empty(self: __torch__.Ops, shape: List[int], dtype: int, device: str) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=torch.device(device))

  def zeros(self: __torch__.Ops, shape: List[int], dtype: int, device: str) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device=torch.device(device))

  # ---- between host and device --------------------------------------------------------------------
  def host_empty(self: __torch__.Ops, shape: List[int], dtype: int, pinned: bool) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=torch.device("cpu"), pin_memory=pinned)

  def to_device(self: __torch__.Ops, host: Tensor, device: str) -> Tensor:
    return torch.copy_(torch.empty(torch.size(host), dtype=host.dtype, device=torch.device(device)), host, True)

  # Reading a number waits for the device.
  def catch_up(self: __torch__.Ops, device: str) -> float:
    return float(torch.zeros([1], dtype=6, device=torch.device(device)))

  def item(self: __torch__.Ops, x: Tensor) -> float:
    return float(x)

  # ---- shapes and copies --------------------------------------------------------------------------
  def cast(self: __torch__.Ops, x: Tensor, dtype: int) -> Tensor:
    return torch.to(x, dtype)

  def view(self: __torch__.Ops, flat: Tensor, start: int, shape: List[int]) -> Tensor:
    n = 1
    for s in shape:
      n = n * s
    return torch.view(torch.narrow(flat, 0, start, n), shape)

  def flat(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.view(x, [-1])

  def copy(self: __torch__.Ops, to: Tensor, source: Tensor) -> Tensor:
    return torch.copy_(to, source)

  def add(self: __torch__.Ops, to: Tensor, x: Tensor) -> Tensor:
    return torch.add_(to, x)

  def concat(self: __torch__.Ops, parts: List[Tensor]) -> Tensor:
    return torch.cat(parts, 0)

  def select_rows(self: __torch__.Ops, x: Tensor, rows: Tensor) -> Tensor:
    return torch.index_select(x, 0, rows)

  # x: (N, H), rows: (n), n <= N, out: (m, H) of zeros -> out with row rows[i] increased by x[i]
  # CUDA's index_add_ adds in any order; its index_put_ sorts the rows first and adds each one's in their own order.
  # Elsewhere rows are added to once in a call, in which order does not matter.
  def add_rows(self: __torch__.Ops, out: Tensor, rows: Tensor, x: Tensor) -> Tensor:
    added = torch.to(torch.narrow(x, 0, 0, torch.numel(rows)), out.dtype)
    if out.is_cuda and self.deterministic:
      return torch.index_put_(out, [rows], added, True)
    return torch.index_add_(out, 0, rows, added)

  # x: (n, H), rows: (n) -> to (N, H) with x in its rows
  def set_rows(self: __torch__.Ops, to: Tensor, rows: Tensor, x: Tensor) -> Tensor:
    return torch.index_copy_(to, 0, rows, x)

  # x: (n, H) -> (to, H), rows of zeros at its end
  def pad_rows(self: __torch__.Ops, x: Tensor, to: int) -> Tensor:
    return torch.constant_pad_nd(x, [0, 0, 0, to - torch.size(x, 0)], 0.)

  # x: (N, H), in place
  def zero_rows(self: __torch__.Ops, x: Tensor, start: int) -> Tensor:
    return torch.zero_(torch.narrow(x, 0, start, torch.size(x, 0) - start))

  def sum_of_squares(self: __torch__.Ops, x: Tensor) -> float:
    n = torch.linalg_vector_norm(x, 2, None, False, dtype=7)
    return float(n * n)

  def all_finite(self: __torch__.Ops, x: Tensor) -> bool:
    return bool(torch.all(torch.isfinite(x)))

  # The bytes of a flat tensor as `count` numbers of `size` bytes, from byte `at` on; no copy.
  def numbers(self: __torch__.Ops, bytes: Tensor, at: int, count: int, size: int, dtype: int) -> Tensor:
    first = torch.floordiv(torch.storage_offset(bytes) + at, size)
    return torch.set_(torch.empty([0], dtype=dtype, device=bytes.device), bytes, first, [count], [1])

  # ---- NF4 with double quantisation: value[code] * (map[nested code] * absmax2 + offset) ----------
  # pairs: (256, 2), both weights of a byte -> (65536, 4), the four weights of two bytes
  def nf4_quads(self: __torch__.Ops, pairs: Tensor) -> Tensor:
    lower = torch.expand(torch.unsqueeze(pairs, 0), [256, 256, 2])
    upper = torch.expand(torch.unsqueeze(pairs, 1), [256, 256, 2])
    return torch.view(torch.cat([lower, upper], 2), [65536, 4])

  # bytes: a rank's slice; quads: as above; map: (256)
  # -> out with `count` weights from element `to` on; a chunk at a time, so that little is float32
  def decode_nf4(self: __torch__.Ops, out: Tensor, to: int, count: int, bytes: Tensor, codesAt: int, absmaxAt: int, constantsAt: int, blocks: int, phase: int, quads: Tensor, map: Tensor) -> Tensor:
    groups = torch.floordiv(phase + blocks + 255, 256)
    constants = self.numbers(bytes, constantsAt, 1 + groups, 4, 6)
    absmax2 = torch.reshape(torch.expand(torch.unsqueeze(torch.narrow(constants, 0, 1, groups), 1), [groups, 256]), [-1])
    absmax = torch.index_select(map, 0, torch.to(torch.narrow(bytes, 0, absmaxAt, blocks), 3))
    absmax = torch.add_(torch.mul_(absmax, torch.narrow(absmax2, 0, phase, blocks)), torch.narrow(constants, 0, 0, 1))
    codes = self.numbers(bytes, codesAt, 16 * blocks, 2, 27)
    flat = torch.view(out, [-1])
    most = 65536
    if out.is_cuda:
      most = 262144
    for at in range(0, blocks, most):
      n = min(most, blocks - at)
      indices = torch.to(torch.narrow(codes, 0, 16 * at, 16 * n), 3)
      values = torch.view(torch.index_select(quads, 0, indices), [n, 64])
      factors = torch.unsqueeze(torch.narrow(absmax, 0, at, n), 1)
      whole = min(n, torch.floordiv(count, 64) - at)
      first = to + 64 * at
      _ = torch.mul(torch.narrow(values, 0, 0, whole), torch.narrow(factors, 0, 0, whole), out=torch.view(torch.narrow(flat, 0, first, 64 * whole), [whole, 64]))
      if whole < n:
        rest = count - 64 * (at + whole)
        last = torch.narrow(torch.view(values, [-1]), 0, 64 * whole, rest)
        _1 = torch.mul(last, torch.narrow(absmax, 0, at + whole, 1), out=torch.narrow(flat, 0, first + 64 * whole, rest))
    return out

  def decode_plain(self: __torch__.Ops, out: Tensor, to: int, count: int, bytes: Tensor, at: int, size: int, dtype: int) -> Tensor:
    numbers = self.numbers(bytes, at, count, size, dtype)
    return torch.copy_(torch.narrow(torch.view(out, [-1]), 0, to, count), numbers)

  # ---- dropout: MurmurHash3's finaliser of a counter, in int32 that wraps -------------------------
  # -> mask with elements [start, start + count) of 0 or `keep`; a chunk at a time
  def dropout_mask(self: __torch__.Ops, mask: Tensor, start: int, count: int, low: int, high: int, threshold: int, keep: float) -> Tensor:
    flat = torch.view(mask, [-1])
    for at in range(0, count, 4194304):
      n = min(4194304, count - at)
      x = torch.arange(at, at + n, dtype=3, device=mask.device)
      x = torch.bitwise_xor_(torch.add_(torch.mul_(x, -1640531535), low), high)
      x = torch.mul_(self.xor_shifted(x, 16, 65535), -2048144789)
      x = torch.mul_(self.xor_shifted(x, 13, 524287), -1028477387)
      x = self.xor_shifted(x, 16, 65535)
      kept = torch.ge(torch.bitwise_and_(torch.bitwise_right_shift(x, 8), 16777215), threshold)
      _ = torch.copy_(torch.narrow(flat, 0, start + at, n), torch.mul(torch.to(kept, 6), keep))
    return mask

  # The same distribution by the device's own generator, which is seeded anew for each span, so that a span's elements depend
  # on its seed and length alone. The spans [starts[i], starts[i] + counts[i]) lie one after the other from 0 on.
  # -> mask, which is `keep` with probability p in the spans, else 0
  def seeded_dropout_mask(self: __torch__.Ops, mask: Tensor, starts: List[int], counts: List[int], seeds: List[int], p: float, keep: float) -> Tensor:
    kept = torch.empty([torch.numel(mask)], dtype=11, device=mask.device)
    last = torch.len(starts) - 1
    _1 = self.zero_rows(kept, starts[last] + counts[last])
    for i in range(torch.len(starts)):
      torch.manual_seed(seeds[i])
      _ = torch.bernoulli_(torch.narrow(kept, 0, starts[i], counts[i]), p)
    return torch.mul(kept, torch.full([1], keep, dtype=6, device=mask.device), out=torch.view(mask, [-1]))

  # x ^ (x >>> bits), with `ones` of 32 - bits bits
  def xor_shifted(self: __torch__.Ops, x: Tensor, bits: int, ones: int) -> Tensor:
    return torch.bitwise_xor_(x, torch.bitwise_and_(torch.bitwise_right_shift(x, bits), ones))

  # ---- linear, with LoRA: y = x W' + bias + scale (x * mask) A' B' --------------------------------
  # c: nothing, the bias of B (out), or DoRA's magnitudes (out, 1)
  def linear(self: __torch__.Ops, x: Tensor, w: Tensor, bias: Tensor, a: Tensor, b: Tensor, c: Tensor, mask: Tensor, scale: float) -> Tensor:
    if torch.dim(c) == 2:
      return self.dora(x, w, bias, a, b, c, mask, scale)
    if torch.numel(bias) > 0:
      y = torch.linear(x, w, bias)
    else:
      y = torch.linear(x, w)
    if torch.numel(a) == 0:
      return y
    if torch.numel(mask) > 0:
      x = x * mask
    return self.add_lora(y, x, a, b, c, scale)

  # Linear i of a layer's seven, as `linear` with x * mask given, into memory y (N, out) if that has elements; no DoRA
  def linear_into(self: __torch__.Ops, y: Tensor, i: int, x: Tensor, dropped: Tensor, w: List[Tensor], lora: List[Tensor], scales: List[float]) -> Tensor:
    weight = w[i + 2]
    if i < 4:
      weight = w[i + 1]
    bias = w[i + 9]
    if torch.numel(y) == 0:
      y = torch.empty([torch.size(x, 0), torch.size(weight, 0)], dtype=x.dtype, device=x.device)
    if torch.numel(bias) > 0:
      _ = torch.addmm(bias, x, torch.t(weight), out=y)
    else:
      _1 = torch.mm(x, torch.t(weight), out=y)
    if torch.numel(lora[2 * i]) > 0:
      _2 = self.add_lora(y, dropped, lora[2 * i], lora[2 * i + 1], lora[14 + i], scales[i])
    return y

  # x times each mask that is there, by one kernel, else x
  def dropped(self: __torch__.Ops, x: Tensor, masks: List[Tensor]) -> List[Tensor]:
    some = annotate(List[Tensor], [])
    same = annotate(List[Tensor], [])
    for mask in masks:
      if torch.numel(mask) > 0:
        torch.append(some, mask)
        torch.append(same, x)
    products = annotate(List[Tensor], [])
    if torch.len(some) > 0:
      products = torch._foreach_mul(same, some)
    all = annotate(List[Tensor], [])
    at = 0
    for mask in masks:
      if torch.numel(mask) > 0:
        torch.append(all, products[at])
        at = at + 1
      else:
        torch.append(all, x)
    return all

  # y += scale (x A' B' + c)
  def add_lora(self: __torch__.Ops, y: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor, scale: float) -> Tensor:
    y = torch.addmm_(y, torch.linear(x, a), torch.t(b), beta=1., alpha=scale)
    if torch.numel(c) > 0:
      y = torch.add_(y, c, alpha=scale)
    return y

  # -> [dx (N, in), dA (R, in), dB (out, R), dc, dW (out, in), dbias (out)]; the last two only if `base`
  def linear_backward(self: __torch__.Ops, dy: Tensor, x: Tensor, w: Tensor, bias: Tensor, a: Tensor, b: Tensor, c: Tensor, mask: Tensor, scale: float, base: bool) -> List[Tensor]:
    none = torch.empty([0], dtype=6, device=x.device)
    if torch.dim(c) == 2:
      return self.dora_backward(dy, x, w, a, b, c, mask, scale) + [none, none]
    da = none
    db = none
    dc = none
    dw = none
    dbias = none
    dx = torch.matmul(dy, w)
    if torch.numel(a) > 0:
      u = torch.matmul(dy, b) * scale
      xd = x
      if torch.numel(mask) > 0:
        xd = x * mask
        dx = torch.addcmul_(dx, torch.matmul(u, a), mask)
      else:
        dx = torch.addmm_(dx, u, a)
      da = torch.to(torch.matmul(torch.t(u), xd), 6)
      db = torch.to(torch.matmul(torch.t(dy), torch.linear(xd, a)) * scale, 6)
      if torch.numel(c) > 0:
        dc = torch.sum(torch.to(dy, 6), [0]) * scale
    if base:
      dw = torch.to(torch.matmul(torch.t(dy), x), 6)
      if torch.numel(bias) > 0:
        dbias = torch.sum(torch.to(dy, 6), [0])
    return [dx, da, db, dc, dw, dbias]

  # ---- DoRA (arXiv:2402.09353) as PEFT has it, m for c: V = W + scale B A, g = m / |V| of each row, d = x * mask,
  #      y = (d V') g + (x - d) W' + bias; gradients take |V| for a constant --------------------------------------
  # |V|, (out), float32, without V: |W|^2 + scale (2 W A' . B + scale B A A' . B)
  def dora_norm(self: __torch__.Ops, w: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    n = torch.linalg_vector_norm(w, 2, [1], False, dtype=6)
    b32 = torch.to(b, 6)
    a32 = torch.to(a, 6)
    both = torch.add_(torch.to(torch.linear(w, a), 6) * 2., torch.matmul(b32, torch.linear(a32, a32)), alpha=scale)
    return torch.sqrt(n * n + torch.sum(both * b32, [1]) * scale)

  def dora(self: __torch__.Ops, x: Tensor, w: Tensor, bias: Tensor, a: Tensor, b: Tensor, c: Tensor, mask: Tensor, scale: float) -> Tensor:
    g = torch.to(torch.squeeze(c, 1) / self.dora_norm(w, a, b, scale), x.dtype)
    d = x
    if torch.numel(mask) > 0:
      d = x * mask
    y = torch.addmm_(torch.linear(d, w), torch.linear(d, a), torch.t(b), beta=1., alpha=scale)
    y = torch.mul_(y, g)
    if torch.numel(mask) > 0:
      y = torch.add_(y, torch.linear(x - d, w))
    if torch.numel(bias) > 0:
      y = torch.add_(y, bias)
    return y

  # -> [dx (N, in), dA (R, in), dB (out, R), dm (out, 1)]
  def dora_backward(self: __torch__.Ops, dy: Tensor, x: Tensor, w: Tensor, a: Tensor, b: Tensor, c: Tensor, mask: Tensor, scale: float) -> List[Tensor]:
    norm = self.dora_norm(w, a, b, scale)
    g = torch.to(torch.squeeze(c, 1) / norm, x.dtype)
    d = x
    if torch.numel(mask) > 0:
      d = x * mask
    low = torch.linear(d, a)
    y = torch.addmm_(torch.linear(d, w), low, torch.t(b), beta=1., alpha=scale)
    dm = torch.unsqueeze(torch.sum(torch.to(dy, 6) * y, [0]) / norm, 1)
    dy_g = dy * g
    u = torch.matmul(dy_g, b) * scale
    da = torch.to(torch.matmul(torch.t(u), d), 6)
    db = torch.to(torch.matmul(torch.t(dy_g), low) * scale, 6)
    if torch.numel(mask) > 0:
      through = torch.addmm_(torch.matmul(dy_g - dy, w), u, a)
      dx = torch.addcmul_(torch.matmul(dy, w), through, mask)
    else:
      dx = torch.addmm_(torch.matmul(dy_g, w), u, a)
    return [dx, da, db, dm]

  # ---- adapters that begin as parts of W (out, in), float32 -> [A (R, in), B (out, R)] ------------
  def orthogonal_part(self: __torch__.Ops, w: Tensor, r: int) -> List[Tensor]:
    q, r_ = torch.linalg_qr(w)
    a = torch.narrow(r_, 0, 0, r)
    signs = torch.sub_(torch.to(torch.ge(torch.diagonal(a), 0), 6) * 2., 1.)
    return [torch.contiguous(a * torch.unsqueeze(signs, 1)), torch.contiguous(torch.narrow(q, 1, 0, r) * signs)]

  # start: nothing, or where the randomised decomposition of torch.svd_lowrank begins (min(out, in), R)
  def principal_part(self: __torch__.Ops, w: Tensor, r: int, start: Tensor, iterations: int, scale: float) -> List[Tensor]:
    if torch.numel(start) > 0:
      u, s, vh = self.svd_lowrank(w, start, iterations)
    else:
      u, s, vh = torch.linalg_svd(w, False)
    u = torch.narrow(u, 1, 0, r)
    largest = torch.gather(u, 0, torch.argmax(torch.abs(u), 0, True))
    signs = torch.sub_(torch.to(torch.ge(largest, 0), 6) * 2., 1.)
    root = torch.sqrt(torch.narrow(s, 0, 0, r) / scale)
    scaled = torch.squeeze(signs, 0) * root
    return [torch.contiguous(torch.narrow(vh, 0, 0, r) * torch.unsqueeze(scaled, 1)), torch.contiguous(u * scaled)]

  # Halko et al. 2009, algorithms 4.4 and 5.1 -> [U (out, R), S (R), V' (R, in)]
  def svd_lowrank(self: __torch__.Ops, w: Tensor, start: Tensor, iterations: int) -> List[Tensor]:
    tall = w
    if torch.size(w, 0) < torch.size(w, 1):
      tall = torch.t(w)
    q, _ = torch.linalg_qr(torch.matmul(tall, start))
    for _1 in range(iterations):
      q, _2 = torch.linalg_qr(torch.matmul(torch.t(tall), q))
      q, _3 = torch.linalg_qr(torch.matmul(tall, q))
    u, s, vh = torch.linalg_svd(torch.matmul(torch.t(q), tall), False)
    u = torch.matmul(q, u)
    if torch.size(w, 0) < torch.size(w, 1):
      return [torch.t(vh), s, torch.t(u)]
    return [u, s, vh]

  def subtract_product(self: __torch__.Ops, w: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    return torch.addmm_(w, b, a, beta=1., alpha=torch.neg(scale))

  # ---- RMSNorm: float32 x / sqrt(mean(x^2) + eps), cast, times weight (transformers' LlamaRMSNorm) -
  def inverse_rms(self: __torch__.Ops, x: Tensor, eps: float) -> Tensor:
    n = torch.linalg_vector_norm(x, 2, [-1], True, dtype=6)
    if x.is_cuda:
      return torch.rsqrt(torch.rsub(n * n, eps, -1. / float(torch.size(x, -1))))
    return torch.rsqrt(n * n / float(torch.size(x, -1)) + eps)

  # kind: how the weight w meets the normalised x. 0 x is cast, then times w (Llama); 1 x times w, then cast (OLMo 2);
  # 2 x times 1 + w, then cast (Gemma). A norm of no weight gives x itself.
  def rms_norm(self: __torch__.Ops, x: Tensor, weight: Tensor, eps: float, kind: int) -> Tensor:
    if torch.numel(weight) == 0:
      return x
    inv = self.inverse_rms(x, eps)
    if kind == 0:
      return self.product_as(x, x, inv) * weight
    return self.product_as(x, x * inv, self.norm_weight(weight, kind))

  # x y, of the type of `like`
  def product_as(self: __torch__.Ops, like: Tensor, x: Tensor, y: Tensor) -> Tensor:
    if x.is_cuda:
      return torch.mul(x, y, out=torch.empty_like(like))
    return torch.to(x * y, like.dtype)

  def norm_weight(self: __torch__.Ops, weight: Tensor, kind: int) -> Tensor:
    w = torch.to(weight, 6)
    if kind == 2:
      w = w + 1.
    return w

  # -> [dx, dweight (H, float32), only if `base`]
  def rms_norm_backward(self: __torch__.Ops, dy: Tensor, x: Tensor, weight: Tensor, eps: float, kind: int, base: bool) -> List[Tensor]:
    dweight = torch.empty([0], dtype=6, device=x.device)
    if torch.numel(weight) == 0:
      return [dy, dweight]
    inv = self.inverse_rms(x, eps)
    xhat = x * inv
    if base:
      dweight = torch.sum(torch.reshape(torch.to(dy, 6) * xhat, [-1, torch.size(x, -1)]), [0])
    if kind == 0:
      g = torch.to(dy * weight, 6)
    else:
      g = torch.to(dy, 6) * self.norm_weight(weight, kind)
    mean = torch.mean(g * xhat, [-1], True)
    g = torch.addcmul_(g, xhat, mean, value=-1.)
    if x.is_cuda:
      dx = self.product_as(x, g, inv)
    else:
      dx = torch.to(torch.mul_(g, inv), x.dtype)
    return [dx, dweight]

  # ---- rotary embedding, rotate-half layout. x: (N, heads, D); cos, sin: (N, 1, E), E <= D, of which the first E
  # numbers of a head turn, or (N, 2, E) with rows 0 for queries and 1 for keys; of no elements in a layer without
  # positions ------------------------------------------------------------------------------------------------------
  def rope(self: __torch__.Ops, x: Tensor, cos: Tensor, sin: Tensor, row: int) -> Tensor:
    if torch.numel(cos) == 0:
      return x
    if torch.size(cos, 1) > 1:
      cos = torch.narrow(cos, 1, row, 1)
      sin = torch.narrow(sin, 1, row, 1)
    if x.is_cuda:
      return self.turned_on_cuda(x, cos, sin)
    turning = torch.size(cos, -1)
    half = torch.floordiv(turning, 2)
    left = torch.narrow(x, -1, 0, half)
    right = torch.narrow(x, -1, half, half)
    turned = torch.cat([torch.neg(right), left], -1)
    rest = torch.size(x, -1) - turning
    if rest == 0:
      return torch.to(torch.addcmul(x * cos, turned, sin), x.dtype)
    head = torch.narrow(x, -1, 0, turning)
    y = torch.to(torch.addcmul(head * cos, turned, sin), x.dtype)
    return torch.cat([y, torch.narrow(x, -1, turning, rest)], -1)

  def rope_backward(self: __torch__.Ops, dy: Tensor, cos: Tensor, sin: Tensor, row: int) -> Tensor:
    return self.rope(dy, cos, torch.neg(sin), row)

  # The same bits by three kernels and no float32 but one product; cos, sin: (N, 1, E)
  def turned_on_cuda(self: __torch__.Ops, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    turning = torch.size(cos, -1)
    half = torch.floordiv(turning, 2)
    rest = torch.size(x, -1) - turning
    y = torch.narrow(x, -1, 0, turning) * cos
    out = torch.empty(torch.size(x), dtype=x.dtype, device=x.device)
    _ = torch.addcmul(torch.narrow(y, -1, 0, half), torch.narrow(x, -1, half, half), torch.narrow(sin, -1, 0, half), value=-1., out=torch.narrow(out, -1, 0, half))
    _1 = torch.addcmul(torch.narrow(y, -1, half, half), torch.narrow(x, -1, 0, half), torch.narrow(sin, -1, half, half), out=torch.narrow(out, -1, half, half))
    if rest > 0:
      _2 = torch.copy_(torch.narrow(out, -1, turning, rest), torch.narrow(x, -1, turning, rest))
    return out

  # ---- causal attention inside the segments [cuts[i], cuts[i+1]) ----------------------------------
  # q: (N, Q, D), k, v: (N, K, D); tokens from the last cut on are padding, for which zeros come out;
  # soon: the backward comes next
  # scores are multiplied with `scale`; a query sees the `window` keys that end with its own (0: all before it); scores s
  # become cap tanh(s / cap) (0: they stay)
  # -> [out (N, Q, D), saved for the backward: logsumexp float32 (N, Q, 1), on CUDA (Q, N) or, of float32, (segments, Q,
  # longest segment rounded up), in blocks `kept_probabilities`, by products nothing]
  def attention(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, cuts: List[int], scale: float, window: int, cap: float, soon: bool) -> List[Tensor]:
    if self.by_products(q, cuts, window, cap):
      return [self.attention_by_products(q, k, v, cuts, scale, window, cap), torch.empty([0], dtype=6, device=q.device)]
    if q.is_cuda:
      return self.attention_on_cuda(q, k, v, cuts, scale, window)
    if self.blocks:
      return self.attention_in_blocks(q, k, v, cuts, scale, soon)
    k = self.for_each_query(k, q)
    v = self.for_each_query(v, q)
    out = torch.zeros_like(q)
    sums = torch.zeros([torch.size(q, 0), torch.size(q, 1), 1], dtype=6, device=q.device)
    for some in self.alike(cuts):
      outs, lse = torch._scaled_dot_product_flash_attention_for_cpu(self.heads_first(q, cuts, some), self.heads_first(k, cuts, some), self.heads_first(v, cuts, some), 0., True, attn_mask=None, scale=scale)
      self.from_group(out, cuts, some, outs)
      self.from_group(sums, cuts, some, torch.unsqueeze(lse, 3))
    return [out, sums]

  # x: (N, K, D) -> (N, Q, D), a head for each of q
  def for_each_query(self: __torch__.Ops, x: Tensor, q: Tensor) -> Tensor:
    repeat = torch.floordiv(torch.size(q, 1), torch.size(x, 1))
    if repeat > 1:
      x = torch.repeat_interleave(x, repeat, 1)
    return x

  # x: (N, heads, D) -> (segments, heads, m, D), the memory of x where that is possible
  def heads_first(self: __torch__.Ops, x: Tensor, cuts: List[int], some: List[int]) -> Tensor:
    at = cuts[some[0]]
    n = cuts[some[0] + 1] - at
    if torch.len(some) == 1 and n == self.filled(cuts, some[0]):
      return torch.unsqueeze(torch.transpose(torch.narrow(x, 0, at, n), 0, 1), 0)
    return self.by_group(x, cuts, some, 1, x.dtype)

  # All segments at once. Numbers of 16 bits go through flash attention, where query heads share keys as they are and only
  # its backward is not deterministic: dq is the sum of what blocks of keys add to it, in any order. Then, and for float32,
  # it is "efficient" attention, with as many keys as queries, causal from the top left (1), and all keys of a query in one
  # block. Both see the `window` keys that end with a query's own.
  def attention_on_cuda(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, cuts: List[int], scale: float, window: int) -> List[Tensor]:
    starts = self.starts(q, cuts)
    longest = self.longest(cuts)
    if q.dtype == 6:
      out, lse, _0, _1, _2, _3 = torch._efficient_attention_forward(torch.unsqueeze(q, 0), torch.unsqueeze(self.for_each_query(k, q), 0), torch.unsqueeze(self.for_each_query(v, q), 0), None, starts, starts, longest, longest, 0., 1, True, scale=scale, seqlen_k=None, window_size=self.window_or_none(window, longest))
      out = torch.squeeze(out, 0)
    else:
      # For segments of one query there is another kernel, with another logsumexp.
      most = max(longest, 2)
      out, lse, _4, _5, _6 = torch._flash_attention_forward(q, k, v, starts, starts, most, most, 0., True, False, scale=scale, window_size_left=self.keys_before(window, longest), window_size_right=None)
    return [self.without_padding(out, cuts), lse]

  def attention_backward_on_cuda(self: __torch__.Ops, dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, saved: Tensor, cuts: List[int], scale: float, window: int) -> List[Tensor]:
    starts = self.starts(q, cuts)
    longest = self.longest(cuts)
    seed = torch.empty([2], dtype=4, device=q.device)
    if q.dtype != 6 and not self.deterministic:
      most = max(longest, 2)
      dq, dk, dv = torch._flash_attention_backward(dout, q, k, v, out, saved, starts, starts, most, most, 0., True, seed, seed, scale=scale, window_size_left=self.keys_before(window, longest), window_size_right=None)
    else:
      splits = annotate(Optional[int], None)
      if self.deterministic:
        splits = 1
      lse = saved
      if q.dtype != 6:
        lse = self.by_segment(saved, starts, longest)
      dq4, dk4, dv4, _0 = torch._efficient_attention_backward(torch.unsqueeze(dout, 0), torch.unsqueeze(q, 0), torch.unsqueeze(self.for_each_query(k, q), 0), torch.unsqueeze(self.for_each_query(v, q), 0), None, torch.unsqueeze(out, 0), starts, starts, longest, longest, lse, 0., seed, seed, 1, False, scale=scale, num_splits_key=splits, window_size=self.window_or_none(window, longest), shared_storage_dqdkdv=False)
      dq, dk, dv = torch.squeeze(dq4, 0), self.summed_for(k, torch.squeeze(dk4, 0)), self.summed_for(v, torch.squeeze(dv4, 0))
    return [self.without_padding(dq, cuts), self.without_padding(dk, cuts), self.without_padding(dv, cuts)]

  def starts(self: __torch__.Ops, q: Tensor, cuts: List[int]) -> Tensor:
    return torch.to(torch.tensor(cuts, dtype=3), q.device, 3, True)

  def window_or_none(self: __torch__.Ops, window: int, longest: int) -> Optional[int]:
    if window > 0 and window < longest:
      return window
    return None

  # Flash attention does not count a query's own key.
  def keys_before(self: __torch__.Ops, window: int, longest: int) -> Optional[int]:
    if window > 0 and window < longest:
      return window - 1
    return None

  # Flash attention's logsumexp (Q, N) as the other has it: (segments, Q, longest rounded up to 32), infinite behind a segment
  def by_segment(self: __torch__.Ops, lse: Tensor, starts: Tensor, longest: int) -> Tensor:
    length = torch.floordiv(longest + 31, 32) * 32
    segments = torch.numel(starts) - 1
    places = torch.unsqueeze(torch.narrow(starts, 0, 0, segments), 1) + torch.arange(length, dtype=3, device=lse.device)
    inside = torch.lt(places, torch.unsqueeze(torch.narrow(starts, 0, 1, segments), 1))
    places = torch.view(torch.where(inside, places, torch.size(lse, 1)), [-1])
    found = torch.index_select(torch.constant_pad_nd(lse, [0, 1], float("inf")), 1, places)
    return torch.contiguous(torch.transpose(torch.view(found, [-1, segments, length]), 0, 1))

  # x: (N, Q, D) -> the sums of the heads that share one of `like` (N, K, D)
  def summed_for(self: __torch__.Ops, like: Tensor, x: Tensor) -> Tensor:
    groups = torch.size(like, 1)
    if torch.size(x, 1) == groups:
      return x
    return torch.sum(torch.reshape(x, [torch.size(x, 0), groups, -1, torch.size(x, 2)]), [2])

  # Kernels for segments leave the memory behind the last one as it was.
  def without_padding(self: __torch__.Ops, x: Tensor, cuts: List[int]) -> Tensor:
    _ = self.zero_rows(x, cuts[torch.len(cuts) - 1])
    return x

  def longest(self: __torch__.Ops, cuts: List[int]) -> int:
    most = 0
    for i in range(torch.len(cuts) - 1):
      most = max(most, cuts[i + 1] - cuts[i])
    return most

  # -> [dq, dk, dv]
  def attention_backward(self: __torch__.Ops, dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, saved: Tensor, cuts: List[int], scale: float, window: int, cap: float) -> List[Tensor]:
    if self.by_products(q, cuts, window, cap):
      return self.attention_by_products_backward(dout, q, k, v, cuts, scale, window, cap)
    if q.is_cuda:
      return self.attention_backward_on_cuda(dout, q, k, v, out, saved, cuts, scale, window)
    if self.blocks:
      return self.attention_in_blocks_backward(dout, q, k, v, out, saved, cuts, scale)
    dq, dk, dv = self.attention_backward_on_cpu(dout, q, self.for_each_query(k, q), self.for_each_query(v, q), out, saved, cuts, scale)
    return [dq, self.summed_for(k, dk), self.summed_for(v, dv)]

  def attention_backward_on_cpu(self: __torch__.Ops, dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, cuts: List[int], scale: float) -> List[Tensor]:
    dq = torch.zeros_like(q)
    dk = torch.zeros_like(k)
    dv = torch.zeros_like(v)
    for some in self.alike(cuts):
      sums = torch.squeeze(self.heads_first(lse, cuts, some), 3)
      dqs, dks, dvs = torch._scaled_dot_product_flash_attention_for_cpu_backward(self.heads_first(dout, cuts, some), self.heads_first(q, cuts, some), self.heads_first(k, cuts, some), self.heads_first(v, cuts, some), self.heads_first(out, cuts, some), sums, 0., True, attn_mask=None, scale=scale)
      self.from_group(dq, cuts, some, dqs)
      self.from_group(dk, cuts, some, dks)
      self.from_group(dv, cuts, some, dvs)
    return [dq, dk, dv]

  # Indices of segments that go together. A segment is filled up with zeros to a multiple of 64, which in causal
  # attention no token of it sees. 1, 2, 4, 8 or 16 of a length are together, at most 1024 tokens or one: so there
  # are few shapes, for each of which libraries keep a kernel.
  def alike(self: __torch__.Ops, cuts: List[int]) -> List[List[int]]:
    all = annotate(List[List[int]], [])
    for m in range(64, self.longest(cuts) + 64, 64):
      same = annotate(List[int], [])
      for i in range(torch.len(cuts) - 1):
        if self.filled(cuts, i) == m:
          torch.append(same, i)
      at = 0
      for together in [16, 8, 4, 2, 1]:
        if m * together <= max(m, 1024):
          for _ in range(torch.floordiv(torch.len(same) - at, together)):
            torch.append(all, torch.slice(same, at, at + together, 1))
            at = at + together
    return all

  def filled(self: __torch__.Ops, cuts: List[int], i: int) -> int:
    return torch.floordiv(cuts[i + 1] - cuts[i] + 63, 64) * 64

  # ---- the same in blocks of 64 queries against the keys before their end ---------------------------
  # For processors that multiply in vectors: of bfloat16, libtorch's flash kernel reaches a sixth of what its
  # products do there; of float32, its backward takes 1.2 to 1.6 times as long as this one. Scores are float32
  # products, as in that kernel; all others are of q's type. Query heads that share keys go together.

  # Those of all blocks one after the other, of q's type; none if they are not wanted or more than 8 million.
  def kept_probabilities(self: __torch__.Ops, q: Tensor, cuts: List[int], wanted: bool) -> Tensor:
    count = 0
    for i in range(torch.len(cuts) - 1):
      m = self.filled(cuts, i)
      count = count + torch.floordiv(m * (m + 64), 2) * torch.size(q, 1)
    if not wanted or count > 8388608:
      count = 0
    return torch.empty([count], dtype=q.dtype, device=q.device)

  # A block's place among them, or memory of its own.
  def block(self: __torch__.Ops, kept: Tensor, at: int, shape: List[int]) -> Tensor:
    if torch.numel(kept) > 0:
      return self.view(kept, at, shape)
    return torch.empty(shape, dtype=kept.dtype, device=kept.device)

  def attention_in_blocks(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, cuts: List[int], scale: float, soon: bool) -> List[Tensor]:
    groups = torch.size(k, 1)
    repeat = torch.floordiv(torch.size(q, 1), groups)
    d = torch.size(q, 2)
    out = torch.zeros_like(q)
    later = self.later(q)
    kept = self.kept_probabilities(q, cuts, soon)
    at = 0
    for some in self.alike(cuts):
      qs = torch.mul_(self.by_group(q, cuts, some, groups, 6), scale)
      ks = torch.transpose(torch.squeeze(self.by_group(k, cuts, some, groups, 6), 1), 1, 2)
      vs = torch.squeeze(self.by_group(v, cuts, some, groups, q.dtype), 1)
      all, m = torch.size(qs, 0), torch.size(qs, 2)
      outs = torch.empty([all, repeat, m, d], dtype=q.dtype, device=q.device)
      for b in range(0, m, 64):
        p = self.block(kept, at, [all, repeat * 64, b + 64])
        _ = self.probabilities(p, torch.reshape(torch.narrow(qs, 2, b, 64), [all, -1, d]), torch.narrow(ks, 2, 0, b + 64), later)
        at = at + torch.numel(p)
        o = torch.bmm(p, torch.narrow(vs, 1, 0, b + 64))
        _1 = torch.copy_(torch.narrow(outs, 2, b, 64), torch.view(o, [all, repeat, 64, d]))
      self.from_group(out, cuts, some, outs)
    return [out, kept]

  # q: (n, R x 64, D), k: (n, D, seen), both float32, q times the scale -> out (n, R x 64, seen)
  def probabilities(self: __torch__.Ops, out: Tensor, q: Tensor, k: Tensor, later: Tensor) -> Tensor:
    scores = torch.bmm(q, k)
    seen = torch.size(scores, 2)
    own = torch.narrow(torch.view(scores, [torch.size(scores, 0), -1, 64, seen]), 3, seen - 64, 64)
    _ = torch.add_(own, later)
    if out.dtype == 6:
      return torch._softmax(scores, 2, False, out=out)
    return torch.copy_(out, torch.softmax(scores, 2, None))

  # dp - delta is one product: three columns more hold -delta to the last bit of a float32.
  def attention_in_blocks_backward(self: __torch__.Ops, dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, kept: Tensor, cuts: List[int], scale: float) -> List[Tensor]:
    groups = torch.size(k, 1)
    repeat = torch.floordiv(torch.size(q, 1), groups)
    d = torch.size(q, 2)
    dq = torch.zeros_like(q)
    dk = torch.zeros_like(k)
    dv = torch.zeros_like(v)
    later = self.later(q)
    delta = torch.sum(torch.to(dout, 6) * out, [2], True)
    dout_delta = torch.cat([dout, self.minus_in_pieces(delta, q.dtype)], 2)
    v_one = torch.constant_pad_nd(v, [0, 8], 1.)
    at = 0
    for some in self.alike(cuts):
      qs = self.by_group(q, cuts, some, groups, q.dtype)
      ks = torch.squeeze(self.by_group(k, cuts, some, groups, q.dtype), 1)
      keys = torch.transpose(torch.to(ks, 6), 1, 2)
      values = torch.transpose(torch.squeeze(self.by_group(v_one, cuts, some, groups, q.dtype), 1), 1, 2)
      douts = self.by_group(dout_delta, cuts, some, groups, q.dtype)
      all, m = torch.size(qs, 0), torch.size(qs, 2)
      dqs = torch.empty([all, repeat, m, d], dtype=q.dtype, device=q.device)
      dks = torch.zeros([all, 1, m, d], dtype=6, device=q.device)
      dvs = torch.zeros([all, 1, m, d], dtype=6, device=q.device)
      for b in range(0, m, 64):
        seen = b + 64
        queries = torch.reshape(torch.narrow(qs, 2, b, 64), [all, -1, d])
        given = torch.reshape(torch.narrow(douts, 2, b, 64), [all, -1, d + 8])
        p = self.block(kept, at, [all, repeat * 64, seen])
        if torch.numel(kept) == 0:
          _3 = self.probabilities(p, torch.to(queries, 6) * scale, torch.narrow(keys, 2, 0, seen), later)
        at = at + torch.numel(p)
        ds = torch.mul_(torch.bmm(given, torch.narrow(values, 2, 0, seen)), p)
        dq_block = torch.bmm(ds, torch.narrow(ks, 1, 0, seen))
        _ = torch.copy_(torch.narrow(dqs, 2, b, 64), torch.view(dq_block, [all, repeat, 64, d]))
        dk_block = torch.bmm(torch.transpose(ds, 1, 2), queries)
        _1 = torch.add_(torch.narrow(torch.squeeze(dks, 1), 1, 0, seen), dk_block, alpha=scale)
        dv_block = torch.bmm(torch.transpose(p, 1, 2), torch.narrow(given, 2, 0, d))
        _2 = torch.add_(torch.narrow(torch.squeeze(dvs, 1), 1, 0, seen), dv_block)
      self.from_group(dq, cuts, some, torch.mul_(dqs, scale))
      self.from_group(dk, cuts, some, dks)
      self.from_group(dv, cuts, some, dvs)
    return [dq, dk, dv]

  # What no query of a block may look at in the block's own keys.
  def later(self: __torch__.Ops, q: Tensor) -> Tensor:
    return torch.triu_(torch.full([64, 64], -float("inf"), dtype=6, device=q.device), 1)

  # x: (N, heads, D) -> (segments x groups, heads / groups, m, D): each segment, then zeros
  def by_group(self: __torch__.Ops, x: Tensor, cuts: List[int], some: List[int], groups: int, dtype: int) -> Tensor:
    m = self.filled(cuts, some[0])
    out = torch.zeros([torch.len(some), torch.size(x, 1), m, torch.size(x, 2)], dtype=dtype, device=x.device)
    for s in range(torch.len(some)):
      at = cuts[some[s]]
      n = cuts[some[s] + 1] - at
      _ = torch.copy_(torch.narrow(torch.select(out, 0, s), 1, 0, n), torch.transpose(torch.narrow(x, 0, at, n), 0, 1))
    return torch.view(out, [torch.len(some) * groups, -1, m, torch.size(x, 2)])

  def from_group(self: __torch__.Ops, to: Tensor, cuts: List[int], some: List[int], x: Tensor) -> None:
    all = torch.view(x, [torch.len(some), torch.size(to, 1), -1, torch.size(to, 2)])
    for s in range(torch.len(some)):
      at = cuts[some[s]]
      n = cuts[some[s] + 1] - at
      _ = torch.copy_(torch.narrow(to, 0, at, n), torch.transpose(torch.narrow(torch.select(all, 0, s), 1, 0, n), 0, 1))

  # ---- the same by products alone, some queries of a segment at a time, in float32 ------------------
  # For what no kernel of libtorch's does: capped scores, on the CPU windows that are shorter than a segment, and on CUDA
  # heads of a size that its kernels do not load or flash attention's backward has not everywhere.
  def by_products(self: __torch__.Ops, q: Tensor, cuts: List[int], window: int, cap: float) -> bool:
    if cap > 0.:
      return True
    if q.is_cuda:
      d = torch.size(q, 2)
      if d > 192 and d < 256:
        return True
      return d % 8 != 0 or d > 256
    return window > 0 and self.longest(cuts) > window

  # As many as fit a cache, or keep a GPU busy.
  def queries_at_once(self: __torch__.Ops, q: Tensor) -> int:
    if q.is_cuda:
      return 512
    return 128

  # The first key that queries from `b` on see.
  def first_seen(self: __torch__.Ops, b: int, window: int) -> int:
    if window > 0:
      return max(0, b - window + 1)
    return 0

  # x: (N, heads, D) -> (groups, heads / groups x n, D), float32
  def heads_of(self: __torch__.Ops, x: Tensor, at: int, n: int, groups: int) -> Tensor:
    heads = torch.transpose(torch.narrow(x, 0, at, n), 0, 1)
    return torch.reshape(torch.to(heads, 6), [groups, -1, torch.size(x, 2)])

  # x: (groups, heads / groups x n, D) -> to (N, heads, D), rows [at, at + n) increased
  def add_heads(self: __torch__.Ops, to: Tensor, at: int, n: int, x: Tensor) -> Tensor:
    rows = torch.transpose(torch.reshape(x, [-1, n, torch.size(to, 2)]), 0, 1)
    return torch.add_(torch.narrow(to, 0, at, n), rows)

  # qs: (K, R x m, D) of queries [b, b + m), ks: (K, seen, D) of keys from `low` on
  # -> [probabilities (K, R x m, seen), tanh of the capped scores or empty]
  def window_probabilities(self: __torch__.Ops, qs: Tensor, ks: Tensor, m: int, b: int, low: int, scale: float, window: int, cap: float) -> List[Tensor]:
    scores = torch.mul_(torch.bmm(qs, torch.transpose(ks, 1, 2)), scale)
    bent = torch.empty([0], dtype=6, device=qs.device)
    if cap > 0.:
      bent = torch.tanh(scores / cap)
      scores = bent * cap
    seen = torch.size(ks, 1)
    keys = torch.unsqueeze(torch.arange(low, low + seen, dtype=3, device=qs.device), 0)
    queries = torch.unsqueeze(torch.arange(b, b + m, dtype=3, device=qs.device), 1)
    hidden = torch.gt(keys, queries)
    if window > 0:
      hidden = torch.logical_or(hidden, torch.le(keys, queries - window))
    shape = [torch.size(scores, 0), -1, m, seen]
    _ = torch.masked_fill_(torch.view(scores, shape), hidden, -float("inf"))
    return [torch.softmax(scores, 2, None), bent]

  def attention_by_products(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, cuts: List[int], scale: float, window: int, cap: float) -> Tensor:
    groups = torch.size(k, 1)
    at_once = self.queries_at_once(q)
    out = torch.zeros_like(q)
    for i in range(torch.len(cuts) - 1):
      at = cuts[i]
      n = cuts[i + 1] - at
      for b in range(0, n, at_once):
        m = min(at_once, n - b)
        low = self.first_seen(b, window)
        ks = self.heads_of(k, at + low, b + m - low, groups)
        p, _ = self.window_probabilities(self.heads_of(q, at + b, m, groups), ks, m, b, low, scale, window, cap)
        _1 = self.add_heads(out, at + b, m, torch.bmm(p, self.heads_of(v, at + low, b + m - low, groups)))
    return out

  def attention_by_products_backward(self: __torch__.Ops, dout: Tensor, q: Tensor, k: Tensor, v: Tensor, cuts: List[int], scale: float, window: int, cap: float) -> List[Tensor]:
    groups = torch.size(k, 1)
    at_once = self.queries_at_once(q)
    dq = torch.zeros_like(q)
    dk = torch.zeros_like(k, dtype=6)
    dv = torch.zeros_like(v, dtype=6)
    for i in range(torch.len(cuts) - 1):
      at = cuts[i]
      n = cuts[i + 1] - at
      for b in range(0, n, at_once):
        m = min(at_once, n - b)
        low = self.first_seen(b, window)
        seen = b + m - low
        qs = self.heads_of(q, at + b, m, groups)
        ks = self.heads_of(k, at + low, seen, groups)
        douts = self.heads_of(dout, at + b, m, groups)
        p, bent = self.window_probabilities(qs, ks, m, b, low, scale, window, cap)
        dp = torch.bmm(douts, torch.transpose(self.heads_of(v, at + low, seen, groups), 1, 2))
        ds = torch.mul_(torch.sub_(dp, torch.sum(dp * p, [2], True)), p)
        if cap > 0.:
          ds = torch.mul_(ds, 1. - bent * bent)
        ds = torch.mul_(ds, scale)
        _ = self.add_heads(dq, at + b, m, torch.bmm(ds, ks))
        _1 = self.add_heads(dk, at + low, seen, torch.bmm(torch.transpose(ds, 1, 2), qs))
        _2 = self.add_heads(dv, at + low, seen, torch.bmm(torch.transpose(p, 1, 2), douts))
    return [dq, torch.to(dk, k.dtype), torch.to(dv, v.dtype)]

  # x: (..., 1) float32 -> (..., 8), of a type, whose sum is -x
  def minus_in_pieces(self: __torch__.Ops, x: Tensor, dtype: int) -> Tensor:
    if dtype == 6:
      return torch.constant_pad_nd(torch.neg(x), [0, 7], 0.)
    upper = torch.to(x, dtype)
    rest = x - upper
    middle = torch.to(rest, dtype)
    lower = torch.to(rest - middle, dtype)
    return torch.constant_pad_nd(torch.neg(torch.cat([upper, middle, lower], -1)), [0, 5], 0.)

  # ---- decoding: a layer over keys and values that are kept -----------------------------------------
  # S slots, a sequence in each, with room for T positions: keys, values: (S, K, T, D), zeros where nothing was written.
  # Tokens of several sequences go through together; those that attend in one product are a block of it: its slots times
  # m queries of each, of which some are padding.
  # linears: weight, bias, A, B, gain of q, k, v, o, gate, up, down; B has LoRA's scale in it, gain (out) is what DoRA
  # multiplies the rows of W with; q may hold k and v too, and gate up
  # norms: before attention, before the MLP, of q, of k, after attention, after the MLP
  # at: (n K), rows of keys and values as (S K T, D) that the n tokens write; the rest of x (N, H) is padding
  # blocks: for each the first slot, slots, m, and the positions that its queries look at; rows: of x, that are in it;
  # places: where among its queries; hidden: what is added to scores, (slots, 1, R m, positions)
  # kinds and numbers: as of `layer`

  # First position of each token's slot in keys, for each of its heads; base: (n)
  def cache_rows(self: __torch__.Ops, base: Tensor, heads: int, room: int) -> Tensor:
    step = torch.arange(0, heads * room, room, dtype=4, device=base.device)
    return torch.view(torch.unsqueeze(base, 1) + torch.unsqueeze(step, 0), [-1])

  # positions: (slots m), of each query, below 0 for padding, which sees the first key alone
  def hidden_keys(self: __torch__.Ops, positions: Tensor, slots: int, repeat: int, seen: int, window: int, dtype: int) -> Tensor:
    keys = torch.arange(0, seen, dtype=4, device=positions.device)
    queries = torch.clamp(torch.view(positions, [slots, 1, 1, -1, 1]), 0)
    hidden = torch.gt(keys, queries)
    if window > 0:
      hidden = torch.logical_or(hidden, torch.le(keys, queries - window))
    shape = [slots, 1, repeat, torch.size(queries, 3), seen]
    scores = torch.zeros(shape, dtype=dtype, device=positions.device)
    return torch.view(torch.masked_fill_(scores, hidden, -float("inf")), [slots, 1, -1, seen])

  # cos, sin: halves of turns (n, E / 2), growth: (n) of queries or empty -> [cos, sin] as `rope` takes them
  def turns(self: __torch__.Ops, cos: Tensor, sin: Tensor, growth: Tensor, dtype: int) -> List[Tensor]:
    turns = annotate(List[Tensor], [])
    for half in [cos, sin]:
      row = torch.unsqueeze(torch.cat([half, half], 1), 1)
      if torch.numel(growth) > 0:
        row = torch.cat([row * torch.view(growth, [-1, 1, 1]), row], 1)
      torch.append(turns, torch.to(row, dtype))
    return turns

  # A cache with room for more slots or positions, the old content first
  def grown(self: __torch__.Ops, cache: Tensor, slots: int, room: int) -> Tensor:
    to = torch.zeros([slots, torch.size(cache, 1), room, torch.size(cache, 3)], dtype=cache.dtype, device=cache.device)
    _ = torch.copy_(torch.narrow(torch.narrow(to, 0, 0, torch.size(cache, 0)), 2, 0, torch.size(cache, 2)), cache)
    return to

  # Slot `to` gets the first positions of slot `source`, in all layers
  def copy_beginning(self: __torch__.Ops, caches: List[Tensor], source: int, to: int, positions: int) -> Tensor:
    for cache in caches:
      _ = torch.copy_(torch.narrow(torch.select(cache, 0, to), 1, 0, positions), torch.narrow(torch.select(cache, 0, source), 1, 0, positions))
    return caches[0]

  def decoding_linear(self: __torch__.Ops, x: Tensor, linears: List[Tensor], slot: int) -> Tensor:
    w, bias, a, b, gain = torch.slice(linears, 5 * slot, 5 * slot + 5, 1)
    none = torch.empty([0], dtype=6, device=x.device)
    if torch.numel(gain) == 0:
      return self.linear(x, w, bias, a, b, none, none, 1.)
    y = torch.mul_(torch.linear(x, w), gain)
    y = torch.addmm_(y, torch.linear(x, a), torch.t(b))
    if torch.numel(bias) > 0:
      y = torch.add_(y, bias)
    return y

  # -> [q (N, Q, D), k, v (N, K, D)], turned
  def decoding_heads(self: __torch__.Ops, n1: Tensor, linears: List[Tensor], norms: List[Tensor], cos: Tensor, sin: Tensor, groups: int, kinds: List[int], eps: float) -> List[Tensor]:
    headDim, _window, qkNorm, norm, _activation = kinds
    n = torch.size(n1, 0)
    q = torch.view(self.decoding_linear(n1, linears, 0), [n, -1, headDim])
    if torch.numel(linears[5]) == 0:
      heads = torch.size(q, 1) - 2 * groups
      k = torch.narrow(q, 1, heads, groups)
      v = torch.narrow(q, 1, heads + groups, groups)
      q = torch.narrow(q, 1, 0, heads)
    else:
      k = torch.view(self.decoding_linear(n1, linears, 1), [n, -1, headDim])
      v = torch.view(self.decoding_linear(n1, linears, 2), [n, -1, headDim])
    q = self.rope(self.head_norm(q, norms[2], eps, qkNorm, norm), cos, sin, 0)
    k = self.rope(self.head_norm(k, norms[3], eps, qkNorm, norm), cos, sin, 1)
    return [q, k, v]

  # Query heads that share keys are rows of one product. -> (N, Q, D)
  def cached_attention(self: __torch__.Ops, q: Tensor, keys: Tensor, values: Tensor, blocks: List[int], rows: List[Tensor], places: List[Tensor], hidden: List[Tensor], scale: float, cap: float) -> Tensor:
    out = torch.zeros_like(q)
    groups = torch.size(keys, 1)
    d = torch.size(q, 2)
    for block in range(torch.len(rows)):
      first, slots, m, seen = torch.slice(blocks, 4 * block, 4 * block + 4, 1)
      own = torch.zeros([slots * m, torch.size(q, 1), d], dtype=q.dtype, device=q.device)
      own = torch.index_copy_(own, 0, places[block], torch.index_select(q, 0, rows[block]))
      own = torch.reshape(torch.permute(torch.view(own, [slots, m, groups, -1, d]), [0, 2, 3, 1, 4]), [slots, groups, -1, d])
      k = torch.narrow(torch.narrow(keys, 0, first, slots), 2, 0, seen)
      v = torch.narrow(torch.narrow(values, 0, first, slots), 2, 0, seen)
      if cap > 0.:
        scores = torch.mul_(torch.matmul(torch.to(own, 6), torch.transpose(torch.to(k, 6), 2, 3)), scale)
        p = torch.softmax(torch.mul_(torch.tanh(scores / cap), cap) + hidden[block], 3, 6)
        attended = torch.to(torch.matmul(p, torch.to(v, 6)), q.dtype)
      else:
        attended = torch.scaled_dot_product_attention(own, k, v, hidden[block], 0., False, scale=scale, enable_gqa=False)
      back = torch.permute(torch.view(attended, [slots, groups, -1, m, d]), [0, 3, 1, 2, 4])
      back = torch.index_select(torch.reshape(back, [slots * m, -1, d]), 0, places[block])
      _ = torch.index_copy_(out, 0, rows[block], back)
    return out

  # -> [h, the MLP's or the experts' input, both (N, H)]
  def decoding_attention(self: __torch__.Ops, x: Tensor, linears: List[Tensor], norms: List[Tensor], cos: Tensor, sin: Tensor, keys: Tensor, values: Tensor, at: Tensor, blocks: List[int], rows: List[Tensor], places: List[Tensor], hidden: List[Tensor], kinds: List[int], numbers: List[float]) -> List[Tensor]:
    headDim, _window, _qkNorm, norm, _activation = kinds
    eps, scale, residual, cap = numbers
    groups = torch.size(keys, 1)
    q, k, v = self.decoding_heads(self.rms_norm(x, norms[0], eps, norm), linears, norms, cos, sin, groups, kinds, eps)
    n = torch.floordiv(torch.numel(at), groups)
    _ = torch.index_copy_(torch.view(keys, [-1, headDim]), 0, at, torch.reshape(torch.narrow(k, 0, 0, n), [-1, headDim]))
    _1 = torch.index_copy_(torch.view(values, [-1, headDim]), 0, at, torch.reshape(torch.narrow(v, 0, 0, n), [-1, headDim]))
    attended = self.cached_attention(q, keys, values, blocks, rows, places, hidden, scale, cap)
    o = self.decoding_linear(torch.reshape(attended, [torch.size(x, 0), -1]), linears, 3)
    h = self.branch(x, self.rms_norm(o, norms[4], eps, norm), residual)
    return [h, self.rms_norm(h, norms[1], eps, norm)]

  # What follows attention: h + r after(y)
  def decoding_branch(self: __torch__.Ops, h: Tensor, y: Tensor, norms: List[Tensor], kinds: List[int], numbers: List[float]) -> Tensor:
    return self.branch(h, self.rms_norm(y, norms[5], numbers[0], kinds[3]), numbers[2])

  # -> (N, H)
  def decoding_layer(self: __torch__.Ops, x: Tensor, linears: List[Tensor], norms: List[Tensor], cos: Tensor, sin: Tensor, keys: Tensor, values: Tensor, at: Tensor, blocks: List[int], rows: List[Tensor], places: List[Tensor], hidden: List[Tensor], kinds: List[int], numbers: List[float]) -> Tensor:
    h, n2 = self.decoding_attention(x, linears, norms, cos, sin, keys, values, at, blocks, rows, places, hidden, kinds, numbers)
    gate = self.decoding_linear(n2, linears, 4)
    if torch.numel(linears[25]) == 0:
      gate, up = torch.chunk(gate, 2, 1)
    else:
      up = self.decoding_linear(n2, linears, 5)
    return self.decoding_branch(h, self.decoding_linear(self.activated(gate, kinds[4]) * up, linears, 6), norms, kinds, numbers)

  # ---- a decoder layer ----------------------------------------------------------------------------
  # h = x + r after(attention(before(x))), y = h + r after(mlp(before(h)))
  # w: the norm before attention, q, k, v, o, the norm before the MLP, gate, up, down, the biases of the seven linears,
  #    the norms of q, k, after attention, after the MLP; q may hold k and v too, and gate up (Phi-3)
  # lora: A, B of q, k, v, o, gate, up, down, then c of the seven (as in `linear`); masks: dropout of the seven, values 0 or 1/(1-p)
  # kinds: head size, window, norm of q and k (0 none, 1 of each head, 2 of all), kind of norm, activation (0 SiLU, 1 GELU)
  # scales: LoRA's, of the seven; numbers: eps, attention's scale, r, cap of the scores
  # keep: 0 nothing, 1 what is cheap to keep and dear to compute again, 2 all that the backward needs
  # -> [y] + [q, k, v, attention, saved, h, q and k before their norm, o] for 1, [..., n1, n2, gate, up, down] for 2;
  # empty what the family does not need
  def layer(self: __torch__.Ops, x: Tensor, w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float], cos: Tensor, sin: Tensor, cuts: List[int], kinds: List[int], numbers: List[float], keep: int) -> List[Tensor]:
    _headDim, _window, _qkNorm, norm, activation = kinds
    eps, _attention, residual, _cap = numbers
    n1 = self.rms_norm(x, w[0], eps, norm)
    attended = self.layer_attention(x, n1, w, lora, masks, scales, cos, sin, cuts, kinds, numbers, False)
    h = attended[5]
    n2 = self.rms_norm(h, w[5], eps, norm)
    gate, up = self.gate_and_up(n2, w, lora, masks, scales)
    m = self.activated(gate, activation)
    if keep == 2:
      m = m * up
    else:
      m = torch.mul_(m, up)
    down = self.linear(m, w[8], w[15], lora[12], lora[13], lora[20], masks[6], scales[6])
    y = [self.branch(h, self.rms_norm(down, w[19], eps, norm), residual)]
    if keep > 0:
      y = y + attended
    if keep == 2:
      y = y + [n1, n2, gate, up, self.kept_for(w[19], down)]
    return y

  # x + r y
  def branch(self: __torch__.Ops, x: Tensor, y: Tensor, r: float) -> Tensor:
    if r == 1.:
      return x + y
    return x + y * r

  # x, if it is the input of a norm that is there.
  def kept_for(self: __torch__.Ops, weight: Tensor, x: Tensor) -> Tensor:
    if torch.numel(weight) > 0:
      return x
    return torch.empty([0], dtype=6, device=x.device)

  def activated(self: __torch__.Ops, gate: Tensor, activation: int) -> Tensor:
    if activation == 1:
      return torch.gelu(gate, approximate="tanh")
    return torch.silu(gate)

  def activated_backward(self: __torch__.Ops, dy: Tensor, gate: Tensor, activation: int) -> Tensor:
    if activation == 1:
      return torch.gelu_backward(dy, gate, approximate="tanh")
    return torch.silu_backward(dy, gate)

  def gate_and_up(self: __torch__.Ops, n2: Tensor, w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float]) -> List[Tensor]:
    if n2.is_cuda and torch.numel(w[7]) > 0 and torch.dim(lora[18]) < 2 and torch.dim(lora[19]) < 2:
      none = torch.empty([0], dtype=n2.dtype, device=n2.device)
      of_gate, of_up = self.dropped(n2, [masks[4], masks[5]])
      return [self.linear_into(none, 4, n2, of_gate, w, lora, scales), self.linear_into(none, 5, n2, of_up, w, lora, scales)]
    gate = self.linear(n2, w[6], w[13], lora[8], lora[9], lora[18], masks[4], scales[4])
    if torch.numel(w[7]) == 0:
      return torch.chunk(gate, 2, 1)
    return [gate, self.linear(n2, w[7], w[14], lora[10], lora[11], lora[19], masks[5], scales[5])]

  # n1 (N, H) -> [q (N, Q, D), k, v (N, K, D), q and k where they lie together, (N, Q + K, D), or nothing]
  def queries_keys_values(self: __torch__.Ops, n1: Tensor, w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float], headDim: int) -> List[Tensor]:
    n = torch.size(n1, 0)
    apart = torch.empty([0], dtype=n1.dtype, device=n1.device)
    if n1.is_cuda and torch.numel(w[2]) > 0 and torch.dim(lora[14]) < 2 and torch.dim(lora[15]) < 2 and torch.dim(lora[16]) < 2:
      width, turning = torch.size(w[1], 0), torch.size(w[1], 0) + torch.size(w[2], 0)
      flat = torch.empty([n, turning], dtype=n1.dtype, device=n1.device)
      of_q, of_k, of_v = self.dropped(n1, [masks[0], masks[1], masks[2]])
      _ = self.linear_into(torch.narrow(flat, 1, 0, width), 0, n1, of_q, w, lora, scales)
      _1 = self.linear_into(torch.narrow(flat, 1, width, turning - width), 1, n1, of_k, w, lora, scales)
      v = torch.view(self.linear_into(apart, 2, n1, of_v, w, lora, scales), [n, -1, headDim])
      q, k = self.at_head(torch.view(flat, [n, -1, headDim]), torch.floordiv(width, headDim))
      return [q, k, v, torch.view(flat, [n, -1, headDim])]
    q = torch.view(self.linear(n1, w[1], w[9], lora[0], lora[1], lora[14], masks[0], scales[0]), [n, -1, headDim])
    if torch.numel(w[2]) == 0:
      queries = torch.floordiv(torch.size(w[4], 1), headDim)
      keys = torch.floordiv(torch.size(q, 1) - queries, 2)
      both, v = self.at_head(q, queries + keys)
      q, k = self.at_head(both, queries)
      if n1.is_cuda:
        apart = both
      return [q, k, v, apart]
    k = torch.view(self.linear(n1, w[2], w[10], lora[2], lora[3], lora[15], masks[1], scales[1]), [n, -1, headDim])
    v = torch.view(self.linear(n1, w[3], w[11], lora[4], lora[5], lora[16], masks[2], scales[2]), [n, -1, headDim])
    return [q, k, v, apart]

  # x: (N, heads, D) -> [its heads before `head`, the others]
  def at_head(self: __torch__.Ops, x: Tensor, head: int) -> List[Tensor]:
    return [torch.narrow(x, 1, 0, head), torch.narrow(x, 1, head, torch.size(x, 1) - head)]

  # x: (N, heads, D); kind: 1 of each head, 2 of all
  def head_norm(self: __torch__.Ops, x: Tensor, weight: Tensor, eps: float, kind: int, norm: int) -> Tensor:
    if kind == 2:
      return torch.view(self.rms_norm(torch.reshape(x, [torch.size(x, 0), -1]), weight, eps, norm), torch.size(x))
    return self.rms_norm(x, weight, eps, norm)

  def head_norm_backward(self: __torch__.Ops, dy: Tensor, x: Tensor, weight: Tensor, eps: float, kind: int, norm: int, base: bool) -> List[Tensor]:
    if kind == 2:
      n = torch.size(x, 0)
      dx, dweight = self.rms_norm_backward(torch.reshape(dy, [n, -1]), torch.reshape(x, [n, -1]), weight, eps, norm, base)
      return [torch.view(dx, torch.size(x)), dweight]
    return self.rms_norm_backward(dy, x, weight, eps, norm, base)

  # n1 (N, H): the layer's input after its norm; soon: the backward comes next
  # -> [q, k, v, attention, saved, h, q and k before their norm, o]
  def layer_attention(self: __torch__.Ops, x: Tensor, n1: Tensor, w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float], cos: Tensor, sin: Tensor, cuts: List[int], kinds: List[int], numbers: List[float], soon: bool) -> List[Tensor]:
    headDim, window, qkNorm, norm, _activation = kinds
    eps, attention, residual, cap = numbers
    q0, k0, v, both = self.queries_keys_values(n1, w, lora, masks, scales, headDim)
    if torch.numel(both) > 0 and torch.numel(w[16]) == 0 and torch.numel(w[17]) == 0 and torch.numel(cos) > 0 and torch.size(cos, 1) == 1:
      q, k = self.at_head(self.rope(both, cos, sin, 0), torch.size(q0, 1))
    else:
      q = self.rope(self.head_norm(q0, w[16], eps, qkNorm, norm), cos, sin, 0)
      k = self.rope(self.head_norm(k0, w[17], eps, qkNorm, norm), cos, sin, 1)
    attended, saved = self.attention(q, k, v, cuts, attention, window, cap, soon)
    o = self.linear(torch.reshape(attended, [torch.size(x, 0), -1]), w[4], w[12], lora[6], lora[7], lora[17], masks[3], scales[3])
    h = self.branch(x, self.rms_norm(o, w[18], eps, norm), residual)
    return [q, k, v, attended, saved, h, self.kept_for(w[16], q0), self.kept_for(w[17], k0), self.kept_for(w[18], o)]

  # x (N, H): the layer's input, dy (N, H), kept: what `layer` returned after y; the rest is computed
  # again, but for y itself -> [dx, 21 gradients of lora, and if `base` 20 of w]; float32
  def layer_backward(self: __torch__.Ops, dy: Tensor, x: Tensor, kept: List[Tensor], w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float], cos: Tensor, sin: Tensor, cuts: List[int], kinds: List[int], numbers: List[float], base: bool) -> List[Tensor]:
    _headDim, _window, _qkNorm, norm, activation = kinds
    eps, _attention, residual, _cap = numbers
    none = torch.empty([0], dtype=6, device=x.device)
    if torch.len(kept) == 14:
      q, k, v, attended, saved, h, q0, k0, o, n1, n2, gate, up, down = kept
    else:
      n1 = self.rms_norm(x, w[0], eps, norm)
      if torch.len(kept) == 9:
        q, k, v, attended, saved, h, q0, k0, o = kept
      else:
        q, k, v, attended, saved, h, q0, k0, o = self.layer_attention(x, n1, w, lora, masks, scales, cos, sin, cuts, kinds, numbers, True)
      n2 = self.rms_norm(h, w[5], eps, norm)
      gate, up = self.gate_and_up(n2, w, lora, masks, scales)
      down = none
    active = self.activated(gate, activation)
    ddown = self.times(dy, residual)
    dw19 = none
    if torch.numel(w[19]) > 0:
      if torch.numel(down) == 0:
        down = self.linear(active * up, w[8], w[15], lora[12], lora[13], lora[20], masks[6], scales[6])
      ddown, dw19 = self.rms_norm_backward(ddown, down, w[19], eps, norm, base)
    dm, da6, db6, dc6, dw8, dbias6 = self.linear_backward(ddown, active * up, w[8], w[15], lora[12], lora[13], lora[20], masks[6], scales[6], base)
    dgate = self.activated_backward(dm * up, gate, activation)
    dup = torch.mul_(dm, active)
    if torch.numel(w[7]) == 0:
      dn, da4, db4, dc4, dw6, dbias4 = self.linear_backward(torch.cat([dgate, dup], 1), n2, w[6], w[13], lora[8], lora[9], lora[18], masks[4], scales[4], base)
      da5, db5, dc5, dw7, dbias5 = none, none, none, none, none
    else:
      dn, da4, db4, dc4, dw6, dbias4 = self.linear_backward(dgate, n2, w[6], w[13], lora[8], lora[9], lora[18], masks[4], scales[4], base)
      dn_up, da5, db5, dc5, dw7, dbias5 = self.linear_backward(dup, n2, w[7], w[14], lora[10], lora[11], lora[19], masks[5], scales[5], base)
      dn = torch.add_(dn, dn_up)
    dh, dw5 = self.rms_norm_backward(dn, h, w[5], eps, norm, base)
    dh = torch.add_(dh, dy)
    dx, da0, db0, da1, db1, da2, db2, da3, db3, dc0, dc1, dc2, dc3, dw0, dw1, dw2, dw3, dw4, dbias0, dbias1, dbias2, dbias3, dw16, dw17, dw18 = self.attention_half_back(dh, x, n1, q, k, v, attended, saved, q0, k0, o, w, lora, masks, scales, cos, sin, cuts, kinds, numbers, base)
    out = [dx, da0, db0, da1, db1, da2, db2, da3, db3, da4, db4, da5, db5, da6, db6, dc0, dc1, dc2, dc3, dc4, dc5, dc6]
    if base:
      out = out + [dw0, dw1, dw2, dw3, dw4, dw5, dw6, dw7, dw8, dbias0, dbias1, dbias2, dbias3, dbias4, dbias5, dbias6, dw16, dw17, dw18, dw19]
    return out

  # dh (N, H): the gradient of h = x + r attention(before(x))
  # -> [dx, 12 gradients of lora, and those of w0 to w4, of the biases of q, k, v, o, and of w16 to w18]
  def attention_half_back(self: __torch__.Ops, dh: Tensor, x: Tensor, n1: Tensor, q: Tensor, k: Tensor, v: Tensor, attended: Tensor, saved: Tensor, q0: Tensor, k0: Tensor, o: Tensor, w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float], cos: Tensor, sin: Tensor, cuts: List[int], kinds: List[int], numbers: List[float], base: bool) -> List[Tensor]:
    headDim, window, qkNorm, norm, _activation = kinds
    eps, attention, residual, cap = numbers
    n = torch.size(x, 0)
    none = torch.empty([0], dtype=6, device=x.device)
    dout, dw18 = self.rms_norm_backward(self.times(dh, residual), o, w[18], eps, norm, base)
    dattended, da3, db3, dc3, dw4, dbias3 = self.linear_backward(dout, torch.reshape(attended, [n, -1]), w[4], w[12], lora[6], lora[7], lora[17], masks[3], scales[3], base)
    dq, dk, dv = self.attention_backward(torch.view(dattended, [n, -1, headDim]), q, k, v, attended, saved, cuts, attention, window, cap)
    dq, dw16 = self.head_norm_backward(self.rope_backward(dq, cos, sin, 0), q0, w[16], eps, qkNorm, norm, base)
    dk, dw17 = self.head_norm_backward(self.rope_backward(dk, cos, sin, 1), k0, w[17], eps, qkNorm, norm, base)
    dq = torch.reshape(dq, [n, -1])
    dk = torch.reshape(dk, [n, -1])
    dv = torch.reshape(dv, [n, -1])
    if torch.numel(w[2]) == 0:
      dn1, da0, db0, dc0, dw1, dbias0 = self.linear_backward(torch.cat([dq, dk, dv], 1), n1, w[1], w[9], lora[0], lora[1], lora[14], masks[0], scales[0], base)
      da1, db1, dc1, dw2, dbias1 = none, none, none, none, none
      da2, db2, dc2, dw3, dbias2 = none, none, none, none, none
    else:
      dn1, da0, db0, dc0, dw1, dbias0 = self.linear_backward(dq, n1, w[1], w[9], lora[0], lora[1], lora[14], masks[0], scales[0], base)
      dn_k, da1, db1, dc1, dw2, dbias1 = self.linear_backward(dk, n1, w[2], w[10], lora[2], lora[3], lora[15], masks[1], scales[1], base)
      dn_v, da2, db2, dc2, dw3, dbias2 = self.linear_backward(dv, n1, w[3], w[11], lora[4], lora[5], lora[16], masks[2], scales[2], base)
      dn1 = torch.add_(torch.add_(dn1, dn_k), dn_v)
    dx, dw0 = self.rms_norm_backward(dn1, x, w[0], eps, norm, base)
    return [torch.add_(dx, dh), da0, db0, da1, db1, da2, db2, da3, db3, dc0, dc1, dc2, dc3, dw0, dw1, dw2, dw3, dw4, dbias0, dbias1, dbias2, dbias3, dw16, dw17, dw18]

  # ---- a layer with experts in the place of the MLP -------------------------------------------------
  # E experts, of which K compute a token, each of I; M tokens of all batches, without padding
  # keep: 0 nothing, else what leads to attention -> [h, n2 (N, H)] + [q, k, v, attention, saved, h, q and k before their norm, o]
  def attention_half(self: __torch__.Ops, x: Tensor, w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float], cos: Tensor, sin: Tensor, cuts: List[int], kinds: List[int], numbers: List[float], keep: int) -> List[Tensor]:
    _headDim, _window, _qkNorm, norm, _activation = kinds
    eps, _attention, residual, _cap = numbers
    attended = self.layer_attention(x, self.rms_norm(x, w[0], eps, norm), w, lora, masks, scales, cos, sin, cuts, kinds, numbers, False)
    h = attended[5]
    out = [h, self.rms_norm(h, w[5], eps, norm)]
    if keep > 0:
      out = out + attended
    return out

  # dy (N, H), dn2 (N, H): gradients of the layer's output and of the experts' input; kept: what attention_half kept
  # -> [dx, 21 gradients of lora]; float32
  def attention_half_backward(self: __torch__.Ops, dy: Tensor, dn2: Tensor, x: Tensor, kept: List[Tensor], w: List[Tensor], lora: List[Tensor], masks: List[Tensor], scales: List[float], cos: Tensor, sin: Tensor, cuts: List[int], kinds: List[int], numbers: List[float], base: bool) -> List[Tensor]:
    _headDim, _window, _qkNorm, norm, _activation = kinds
    eps, _attention, residual, _cap = numbers
    n1 = self.rms_norm(x, w[0], eps, norm)
    if torch.len(kept) == 9:
      q, k, v, attended, saved, h, q0, k0, o = kept
    else:
      q, k, v, attended, saved, h, q0, k0, o = self.layer_attention(x, n1, w, lora, masks, scales, cos, sin, cuts, kinds, numbers, True)
    dh, _0 = self.rms_norm_backward(dn2, h, w[5], eps, norm, base)
    back = self.attention_half_back(torch.add_(dh, dy), x, n1, q, k, v, attended, saved, q0, k0, o, w, lora, masks, scales, cos, sin, cuts, kinds, numbers, base)
    none = torch.empty([0], dtype=6, device=x.device)
    return [back[0], back[1], back[2], back[3], back[4], back[5], back[6], back[7], back[8], none, none, none, none, none, none, back[9], back[10], back[11], back[12], none, none, none]

  # n: (M, H), router: (E, H); share: a weight is the probability divided by the sum of the token's K
  # -> [probabilities (M, E) float32, experts (M, K), weights (M, K), order (M K): token times K plus place, by expert and
  # token, tokens of each expert (E), sums of probabilities (E) float64]
  def route(self: __torch__.Ops, n: Tensor, router: Tensor, perToken: int, share: bool) -> List[Tensor]:
    p = torch.softmax(torch.linear(n, router), -1, 6)
    weights, experts = torch.topk(p, perToken, -1)
    if share:
      weights = weights / torch.sum(weights, [-1], True)
    flat = torch.view(experts, [-1])
    order = torch.argsort(flat, stable=True, dim=0, descending=False)
    counts = torch.bincount(flat, None, torch.size(router, 0))
    return [p, experts, torch.to(weights, n.dtype), order, counts, torch.sum(p, [0], dtype=7)]

  # dn (M, H) += the gradient through the router of dweights (M K) float32; balance: (E), of every token's probabilities, or empty
  def route_backward(self: __torch__.Ops, dn: Tensor, dweights: Tensor, p: Tensor, experts: Tensor, router: Tensor, share: bool, balance: Tensor) -> Tensor:
    d = torch.view(dweights, torch.size(experts))
    if share:
      top = torch.gather(p, 1, experts)
      total = torch.sum(top, [-1], True)
      d = (d - torch.sum(d * top, [-1], True) / total) / total
    dp = torch.scatter_add_(torch.zeros_like(p), 1, experts, d)
    if torch.numel(balance) > 0:
      dp = torch.add_(dp, balance)
    dlogits = p * (dp - torch.sum(dp * p, [-1], True))
    return torch.add_(dn, torch.matmul(torch.to(dlogits, dn.dtype), router))

  # out (M, H) += weight times the expert's result, for its `count` tokens from `first` on in `order`; products have
  # `to` rows; gate, up: (I, H), down: (H, I)
  def expert(self: __torch__.Ops, out: Tensor, n: Tensor, weights: Tensor, order: Tensor, first: int, count: int, to: int, gate: Tensor, up: Tensor, down: Tensor, activation: int) -> Tensor:
    places = torch.narrow(order, 0, first, count)
    tokens = torch.floor_divide(places, torch.size(weights, 1))
    x = self.pad_rows(torch.index_select(n, 0, tokens), to)
    m = torch.mul_(self.activated(torch.linear(x, gate), activation), torch.linear(x, up))
    y = torch.narrow(torch.linear(m, down), 0, 0, count)
    weight = torch.unsqueeze(torch.index_select(torch.view(weights, [-1]), 0, places), 1)
    return torch.index_add_(out, 0, tokens, y * weight)

  # dn (M, H) += the gradient through the expert of dm (M, H), dweights (M K) float32 = that of the tokens' weights
  def expert_backward(self: __torch__.Ops, dn: Tensor, dweights: Tensor, dm: Tensor, n: Tensor, weights: Tensor, order: Tensor, first: int, count: int, to: int, gate: Tensor, up: Tensor, down: Tensor, activation: int) -> Tensor:
    places = torch.narrow(order, 0, first, count)
    tokens = torch.floor_divide(places, torch.size(weights, 1))
    x = self.pad_rows(torch.index_select(n, 0, tokens), to)
    g = torch.linear(x, gate)
    u = torch.linear(x, up)
    active = self.activated(g, activation)
    dmiddle = torch.matmul(self.pad_rows(torch.index_select(dm, 0, tokens), to), down)
    product = torch.sum(torch.to(active * u, 6) * dmiddle, [1])
    _0 = torch.index_copy_(dweights, 0, places, torch.narrow(product, 0, 0, count))
    weight = torch.unsqueeze(torch.index_select(torch.view(weights, [-1]), 0, places), 1)
    dmiddle = torch.mul_(dmiddle, self.pad_rows(weight, to))
    dgate = self.activated_backward(dmiddle * u, g, activation)
    dx = torch.add_(torch.matmul(dgate, gate), torch.matmul(torch.mul_(dmiddle, active), up))
    return torch.index_add_(dn, 0, tokens, torch.narrow(dx, 0, 0, count))

  def times(self: __torch__.Ops, x: Tensor, factor: float) -> Tensor:
    if factor == 1.:
      return x
    return x * factor

  # ---- head and loss, in chunks of tokens, so that no (N, V) tensor exists ------------------------
  # x: (N, H), target: (n) int64, n <= N: what is behind them is padding; cap: of the logits, 0 for none; with smoothing e a
  # token's loss is lse - (1 - e) z_target - e mean(z), as transformers' LabelSmoother has it; weights: (n), what each loss counts
  # in the gradients, or empty, where all count the same
  # -> [sum of losses (float64), d(factor * sum)/dx (n, H), dW or empty, losses (n)]
  def head_loss(self: __torch__.Ops, x: Tensor, w: Tensor, target: Tensor, factor: float, weights: Tensor, chunk: int, cap: float, smoothing: float, backward: bool, base: bool) -> List[Tensor]:
    total = torch.zeros([1], dtype=7, device=x.device)
    dx = torch.empty([0], dtype=6, device=x.device)
    dw = torch.empty([0], dtype=6, device=x.device)
    if backward:
      dx = torch.empty_like(x)
    if base:
      dw = torch.zeros([torch.size(w, 0), torch.size(w, 1)], dtype=6, device=x.device)
    n = torch.numel(target)
    losses = torch.empty([n], dtype=6, device=x.device)
    for i in range(0, n, chunk):
      part = torch.narrow(x, 0, i, min(chunk, torch.size(x, 0) - i))
      m = min(chunk, n - i)
      t = torch.unsqueeze(torch.narrow(target, 0, i, m), 1)
      logits = self.capped(torch.to(torch.linear(part, w), 6), cap)
      slope = self.slope(logits, cap)
      lse = torch.logsumexp(logits, [1], True)
      if smoothing > 0.:
        smoothed = torch.narrow(torch.mean(logits, [1], True), 0, 0, m) * smoothing + torch.gather(logits, 1, t) * (1. - smoothing)
        loss = torch.narrow(lse, 0, 0, m) - smoothed
      else:
        loss = torch.narrow(lse, 0, 0, m) - torch.gather(logits, 1, t)
      total = total + torch.sum(loss, dtype=7)
      _2 = torch.copy_(torch.narrow(losses, 0, i, m), torch.squeeze(loss, 1))
      if backward:
        p = torch.exp_(torch.sub_(logits, lse))
        p = torch.scatter_add_(p, 1, t, torch.full_like(torch.narrow(lse, 0, 0, m), smoothing - 1.))
        if smoothing > 0.:
          p = torch.sub_(p, smoothing / float(torch.size(w, 0)))
        _ = self.zero_rows(p, m)
        if cap > 0.:
          p = torch.mul_(p, slope)
        p = torch.mul_(p, factor)
        if torch.numel(weights) > 0:
          _3 = torch.mul_(torch.narrow(p, 0, 0, m), torch.unsqueeze(torch.narrow(weights, 0, i, m), 1))
        p = torch.to(p, x.dtype)
        _1 = torch.copy_(torch.narrow(dx, 0, i, torch.size(part, 0)), torch.matmul(p, w))
        if base:
          dw = torch.add_(dw, torch.matmul(torch.t(p), part))
    if backward:
      dx = torch.narrow(dx, 0, 0, n)
    return [total, dx, dw, losses]

  def capped(self: __torch__.Ops, x: Tensor, cap: float) -> Tensor:
    if cap > 0.:
      return torch.mul_(torch.tanh(x / cap), cap)
    return x

  # Of `capped` at its result y; empty without a cap.
  def slope(self: __torch__.Ops, y: Tensor, cap: float) -> Tensor:
    if cap > 0.:
      return 1. - torch.square(y / cap)
    return torch.empty([0], dtype=6, device=y.device)

  # ---- the same in chunks of the vocabulary, for a head that never exists whole --------------------
  # x: (n, H) -> [max (n, 1), sum (n, 1), target (n, 1), product (n, H), target row (n, H)]; with smoothing e, target and target
  # row are 1 - e of the target's and e of the vocabulary's mean, and float32
  def head_begin(self: __torch__.Ops, x: Tensor, smoothing: float, backward: bool) -> List[Tensor]:
    n = torch.size(x, 0)
    column = torch.zeros([n, 1], dtype=6, device=x.device)
    product = torch.empty([0], dtype=6, device=x.device)
    row = torch.empty([0], dtype=6, device=x.device)
    if backward:
      product = torch.zeros([n, torch.size(x, 1)], dtype=6, device=x.device)
      row = torch.zeros_like(x)
      if smoothing > 0.:
        row = torch.zeros_like(product)
    return [torch.full_like(column, -3.0e38), column, torch.zeros_like(column), product, row]

  # w: (c, H); rows (k): positions whose target is in w, at ids (k); uniform: smoothing / V
  def head_chunk(self: __torch__.Ops, x: Tensor, w: Tensor, largest: Tensor, total: Tensor, target: Tensor, product: Tensor, row: Tensor, rows: Tensor, ids: Tensor, cap: float, smoothing: float, uniform: float) -> Tensor:
    logits = self.capped(torch.to(torch.linear(x, w), 6), cap)
    slope = self.slope(logits, cap)
    if smoothing > 0.:
      _6 = torch.add_(target, torch.sum(logits, [1], True) * uniform)
      if torch.numel(product) > 0:
        if cap > 0.:
          _7 = torch.add_(row, torch.to(torch.matmul(torch.to(slope, x.dtype), w), 6) * uniform)
        else:
          _8 = torch.add_(row, torch.sum(w, [0], True, dtype=6) * uniform)
      if torch.numel(rows) > 0:
        picked = torch.gather(torch.index_select(logits, 0, rows), 1, torch.unsqueeze(ids, 1))
        _9 = torch.index_add_(target, 0, rows, picked * (1. - smoothing))
        if torch.numel(product) > 0:
          own = torch.to(torch.index_select(w, 0, ids), 6)
          if cap > 0.:
            own = own * torch.gather(torch.index_select(slope, 0, rows), 1, torch.unsqueeze(ids, 1))
          _10 = torch.index_add_(row, 0, rows, own * (1. - smoothing))
    elif torch.numel(rows) > 0:
      picked = torch.gather(torch.index_select(logits, 0, rows), 1, torch.unsqueeze(ids, 1))
      _ = torch.index_copy_(target, 0, rows, picked)
      if torch.numel(product) > 0:
        own = torch.index_select(w, 0, ids)
        if cap > 0.:
          own = torch.to(own * torch.gather(torch.index_select(slope, 0, rows), 1, torch.unsqueeze(ids, 1)), w.dtype)
        _1 = torch.index_copy_(row, 0, rows, own)
    larger = torch.maximum(largest, torch.amax(logits, [1], True))
    shrink = torch.exp(largest - larger)
    p = torch.exp_(torch.sub_(logits, larger))
    _2 = torch.add_(torch.mul_(total, shrink), torch.sum(p, [1], True))
    if torch.numel(product) > 0:
      _3 = torch.mul_(product, shrink)
      if cap > 0.:
        p = torch.mul_(p, slope)
      if x.dtype == 6:
        _4 = torch.addmm_(product, p, w)
      else:
        _5 = torch.add_(product, torch.matmul(torch.to(p, x.dtype), w))
    return torch.copy_(largest, larger)

  # The gradient (k, H), float32, of some rows w (k, H) of the head, tokens ids (k), after all chunks; target: (n)
  def head_rows(self: __torch__.Ops, x: Tensor, w: Tensor, ids: Tensor, target: Tensor, largest: Tensor, total: Tensor, factor: float, weights: Tensor, cap: float, smoothing: float, uniform: float) -> Tensor:
    logits = self.capped(torch.to(torch.linear(x, w), 6), cap)
    slope = self.slope(logits, cap)
    n = torch.numel(target)
    p = torch.exp_(torch.sub_(logits, largest + torch.log(total)))
    _ = torch.sub_(torch.narrow(p, 0, 0, n), torch.to(torch.eq(torch.unsqueeze(target, 1), torch.unsqueeze(ids, 0)), 6) * (1. - smoothing))
    if smoothing > 0.:
      p = torch.sub_(p, uniform)
    _1 = self.zero_rows(p, n)
    if cap > 0.:
      p = torch.mul_(p, slope)
    if torch.numel(weights) > 0:
      _2 = torch.mul_(torch.narrow(p, 0, 0, n), torch.unsqueeze(weights, 1))
    return torch.matmul(torch.t(torch.mul_(p, factor)), torch.to(x, 6))

  # The losses (n) after all chunks; n: trained positions, behind which is padding
  def head_losses(self: __torch__.Ops, largest: Tensor, total: Tensor, target: Tensor, n: int) -> Tensor:
    return torch.squeeze(torch.narrow(largest + torch.log(total) - target, 0, 0, n), 1)

  # -> [sum of losses (float64), d(factor * sum)/dx (n, H) or empty, empty, losses (n)]
  def head_finish(self: __torch__.Ops, x: Tensor, largest: Tensor, total: Tensor, target: Tensor, product: Tensor, row: Tensor, factor: float, weights: Tensor, n: int) -> List[Tensor]:
    losses = self.head_losses(largest, total, target, n)
    dx = torch.empty([0], dtype=6, device=losses.device)
    if torch.numel(product) > 0:
      dx = torch.mul_(torch.sub_(torch.div_(product, total), row), factor)
      if torch.numel(weights) > 0:
        _ = torch.mul_(torch.narrow(dx, 0, 0, n), torch.unsqueeze(weights, 1))
      dx = torch.narrow(torch.to(dx, x.dtype), 0, 0, n)
    return [torch.unsqueeze(torch.sum(losses, dtype=7), 0), dx, torch.empty([0], dtype=6, device=losses.device), losses]

  def product(self: __torch__.Ops, x: Tensor, w: Tensor) -> Tensor:
    return torch.linear(x, w)

  # ---- products with weights that are laid out once -------------------------------------------------
  # w (rows, in), for products with some `columns`; nothing but `packed_product` can read what comes out
  def packed(self: __torch__.Ops, w: Tensor, columns: int) -> Tensor:
    return ops.mkldnn._reorder_linear_weight(w, columns)

  # x (n, in), w (rows, in): packed, or as it was; out (n, rows): float32
  def packed_product(self: __torch__.Ops, x: Tensor, w: Tensor, out: Tensor) -> bool:
    if w.is_mkldnn:
      y = ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")
    else:
      y = torch.linear(x, w)
    _ = torch.copy_(out, y)
    return True

  def logits(self: __torch__.Ops, x: Tensor, w: Tensor, cap: float) -> Tensor:
    return self.capped(torch.to(torch.linear(x, w), 6), cap)

  # ---- AdamW on a flat float32 slice, in torch.optim.AdamW's order of operations -------------------
  def adamw(self: __torch__.Ops, p: Tensor, g: Tensor, m: Tensor, v: Tensor, clip: float, lr: float, decay: float, beta1: float, beta2: float, eps: float, step: int) -> Tensor:
    if clip != 1.:
      g = g * clip
    if decay != 0.:
      p = torch.mul_(p, 1. - lr * decay)
    m = torch.lerp_(m, g, 1. - beta1)
    v = torch.addcmul_(torch.mul_(v, beta2), g, g, value=1. - beta2)
    correction1 = 1. - beta1 ** float(step)
    correction2 = 1. - beta2 ** float(step)
    denominator = torch.add_(torch.div_(torch.sqrt(v), correction2 ** 0.5), eps)
    return torch.addcdiv_(p, m, denominator, value=torch.neg(lr / correction1))

  # ---- AdamW with both moments in 8 bits, in the order of operations of bitsandbytes ---------------
  # values: (256), ascending -> [values, the borders between neighbours, of the floats with the same upper 16 bits the
  # code of the lowest]: among them is one border at most, so that one comparison finds the nearest value
  def blockwise_code(self: __torch__.Ops, values: Tensor) -> List[Tensor]:
    borders = torch.div_(torch.narrow(values, 0, 1, 255) + torch.narrow(values, 0, 0, 255), 2.)
    upper = torch.arange(0, 65536, dtype=3, device=values.device)
    bits = torch.bitwise_left_shift(upper, 16)
    lowest = torch.where(torch.ge(upper, 32768), torch.bitwise_or(bits, 65535), bits)
    first = torch.bucketize(torch.view_copy(lowest, dtype=6), borders, out_int32=True)
    none = torch.full([1], float("inf"), dtype=6, device=values.device)
    return [values, torch.cat([borders, none]), first]

  # codes: (n) uint8; absmax: (n / 256) -> (n) float32
  def blockwise_decoded(self: __torch__.Ops, codes: Tensor, absmax: Tensor, code: List[Tensor]) -> Tensor:
    blocks = torch.view(torch.index_select(code[0], 0, torch.to(codes, 3)), [-1, 256])
    return torch.view(torch.mul_(blocks, torch.unsqueeze(absmax, 1)), [-1])

  # x: (n) -> the nearest codes into codes, the blocks' largest absolute values into absmax
  def blockwise_encode(self: __torch__.Ops, x: Tensor, codes: Tensor, absmax: Tensor, code: List[Tensor]) -> Tensor:
    blocks = torch.view(x, [-1, 256])
    largest = torch.amax(torch.abs(blocks), [1], True)
    divisor = torch.masked_fill(largest, torch.eq(largest, 0.), 1.)
    scaled = torch.view(blocks / divisor, [-1])
    first = torch.index_select(code[2], 0, torch.bitwise_and(torch.bitwise_right_shift(torch.view_copy(scaled, dtype=3), 16), 65535))
    above = torch.gt(scaled, torch.index_select(code[1], 0, first))
    _ = torch.copy_(absmax, torch.squeeze(largest, 1))
    return torch.copy_(codes, torch.add_(first, above))

  # All of whole blocks; a chunk at a time, so that little is float32
  def adamw_8bit(self: __torch__.Ops, p: Tensor, g: Tensor, m: Tensor, absmaxM: Tensor, signed: List[Tensor], v: Tensor, absmaxV: Tensor, unsigned: List[Tensor], clip: float, lr: float, decay: float, beta1: float, beta2: float, eps: float, step: int, chunk: int) -> Tensor:
    correction1 = 1. - beta1 ** float(step)
    correction2 = (1. - beta2 ** float(step)) ** 0.5
    elements = torch.numel(p)
    for at in range(0, elements, chunk):
      n = min(chunk, elements - at)
      w = torch.narrow(p, 0, at, n)
      x = torch.mul(torch.narrow(g, 0, at, n), clip)
      codesM = torch.narrow(m, 0, at, n)
      codesV = torch.narrow(v, 0, at, n)
      first = torch.floordiv(at, 256)
      blocks = torch.floordiv(n, 256)
      largestM = torch.narrow(absmaxM, 0, first, blocks)
      largestV = torch.narrow(absmaxV, 0, first, blocks)
      mean = torch.add_(torch.mul_(self.blockwise_decoded(codesM, largestM, signed), beta1), x, alpha=1. - beta1)
      square = torch.addcmul_(torch.mul_(self.blockwise_decoded(codesV, largestV, unsigned), beta2), x, x, value=1. - beta2)
      if decay != 0.:
        w = torch.mul_(w, 1. - lr * decay)
      denominator = torch.add_(torch.div_(torch.sqrt(square), correction2), eps)
      _ = torch.addcdiv_(w, mean, denominator, value=torch.neg(lr / correction1))
      _1 = self.blockwise_encode(mean, codesM, largestM, signed)
      _2 = self.blockwise_encode(square, codesV, largestV, unsigned)
    return p
