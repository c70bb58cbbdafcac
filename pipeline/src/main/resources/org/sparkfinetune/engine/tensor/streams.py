# TorchScript like scripts.py, in an archive of its own: a libtorch for CPUs does not know these classes, so it is loaded
# only where tensors are on a GPU.

class Streams(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool

  def stream(self: __torch__.Streams, device: str) -> __torch__.torch.classes.cuda.Stream:
    own = __torch__.torch.classes.cuda.Stream.__new__(__torch__.torch.classes.cuda.Stream)
    _0 = (own).__init__(torch.device(device), 0, )
    return own

  # No times are taken; a thread that waits sleeps.
  def event(self: __torch__.Streams) -> __torch__.torch.classes.cuda.Event:
    own = __torch__.torch.classes.cuda.Event.__new__(__torch__.torch.classes.cuda.Event)
    _0 = (own).__init__(False, True, False, )
    return own

  # Queues a copy from pinned memory behind `read`, when what the tensor held before has been used.
  def copy(self: __torch__.Streams, to: Tensor, host: Tensor, copies: __torch__.torch.classes.cuda.Stream, read: __torch__.torch.classes.cuda.Event) -> Tensor:
    computing = ops.cuda.current_stream(to.device)
    _0 = (copies).wait_event(read, )
    ops.cuda.set_stream(copies)
    _1 = torch.copy_(to, host, True)
    ops.cuda.set_stream(computing)
    return to

  # What is queued for computing from now on comes behind the copies so far.
  def arrive(self: __torch__.Streams, copies: __torch__.torch.classes.cuda.Stream, copied: __torch__.torch.classes.cuda.Event, device: str) -> None:
    _0 = (copied).record(copies, )
    _1 = (copied).wait(ops.cuda.current_stream(torch.device(device)), )

  # The event stands for all computing that is queued by now.
  def record(self: __torch__.Streams, read: __torch__.torch.classes.cuda.Event, device: str) -> None:
    _0 = (read).record(ops.cuda.current_stream(torch.device(device)), )

  def wait(self: __torch__.Streams, copied: __torch__.torch.classes.cuda.Event) -> None:
    _0 = (copied).synchronize()
