"""A pretended GPU: tensors stay in main memory, but say that they are on ``cuda:0``, and are treated as they would be.

    with pretended() as gpu:
        x = torch.randn(100, 2, device=gpu.device)
        labels = sampler.step(x, labels)
    gpu.waits

Inside, whatever would fail on a GPU fails: operations on tensors of both devices (a number may come from the CPU), and
NumPy's view of a tensor. ``waits`` counts by place what would make the host wait for the device: each number that is
read, each size that depends on values (boolean masks, ``nonzero``, ``bincount``), each check of a decomposition, and
each copy from one device to the other, for pageable memory is copied before the host goes on.

Three parts: a tensor subclass is the mark, which survives autograd, parameters and deep copies; a mode below autograd
(:class:`_Operations`) runs its operations on what it wraps; a mode above (:class:`_Calls`) answers questions about
devices and moves tensors. ``torch.cuda`` and ``torch.Generator`` get stand-ins, with a random stream of the device.
CUDA graphs are in ``pretended_graphs``.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch._dynamo  # what modes import at their first use, which should not see the stand-ins
from pretended_graphs import Graph
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
PACKAGE = str(Path(__file__).parent.parent / "bnpgan")
aten = torch.ops.aten
WAITS = {  # operations after which the host waits, on a real device
    *(aten._local_scalar_dense, aten.is_nonzero, aten.equal, aten.nonzero, aten.masked_select, aten.bincount),
    *(aten._unique2, aten.unique_consecutive, aten.unique_dim, aten._linalg_check_errors, aten.linalg_eigh),
    *(aten._linalg_eigh, aten._linalg_svd, aten.linalg_eigvals, aten.linalg_lstsq, aten.linalg_qr, aten.geqrf),
    *(aten.multinomial, aten.histc, aten.cholesky),
}
ACROSS = {aten.copy_, aten._to_copy}  # may take tensors of two devices
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}  # indices: of either
FILLING = {aten.fill, aten.fill_, aten.masked_fill, aten.masked_fill_}  # with a number, of either
SEVERAL = (list, tuple)
MAKERS = {torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor}


class OnGPU(Tensor):
    """A tensor that is said to be on the GPU; ``inner`` holds its values."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnGPU":
        shape = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        made = Tensor._make_wrapper_subclass(cls, inner.size(), **shape, dtype=inner.dtype, device=CPU)
        made.inner = inner
        return made

    def __repr__(self, **_: Any) -> str:
        return f"{self.inner!r} on {CUDA}"

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.ndim == 0 else str(self), spec)

    __str__ = __repr__
    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func}: a tensor of the pretended GPU is used outside of pretended()")


class _Operations(TorchDispatchMode):
    # What is computed: on tensors of one device, and the results are on it.

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled in tests, and skipping takes time

    def __init__(self, gpu: "PretendedGPU") -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, func.overloadpacket
        tensors = [*_tensors(args), *_tensors(kwargs.values())]
        there = [isinstance(t, OnGPU) for t in tensors]
        on_gpu = any(there) or (self.gpu.creating > 0 and not tensors)
        generator = kwargs.get("generator")
        if generator is not None and on_gpu != any(generator._cdata == g._cdata for g in self.gpu.generators):
            kinds = ("cuda", "cpu") if on_gpu else ("cpu", "cuda")
            raise RuntimeError("Expected a '{}' device type for generator but found '{}' ({})".format(*kinds, name))
        if not on_gpu:
            return func(*args, **kwargs)
        self._check(func, name, args, tensors, there)
        if self._waits(func, name, args, there):
            self.gpu.wait(str(name).removeprefix("aten."))
        drawn = generator is None and torch.Tag.nondeterministic_seeded in func.tags
        args_there = _each(_unwrapped, args), {key: _each(_unwrapped, value) for key, value in kwargs.items()}
        with self.gpu.drawing() if drawn else nullcontext():
            found = self.gpu.launched(func, *args_there, drawn)
        if name is aten.copy_ and not there[0]:
            return args[0]  # what is copied into the CPU stays there
        found = _each(OnGPU, found)
        return return_and_correct_aliasing(func, args, kwargs, found) if tensors else found

    def _check(self, func: Any, name: Any, args: Any, tensors: list[Tensor], there: list[bool]) -> None:
        if all(there) or name in ACROSS:
            return
        strays = [t for t, on_gpu in zip(tensors, there, strict=True) if not on_gpu]
        if name in INDEXED and there[0]:  # indices lie where they like, values do not
            strays = [t for t in args[2:3] if not isinstance(t, OnGPU)]
        numbers = torch.Tag.pointwise in func.tags or name in INDEXED | FILLING
        written = func._schema.is_mutable and any(args[0] is t for t in strays)
        if written or not (numbers and all(t.ndim == 0 for t in strays)):
            raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu! ({func})")

    def _waits(self, func: Any, name: Any, args: Any, there: list[bool]) -> bool:
        if name in INDEXED:
            indices = [t for t in args[1] if t is not None]
            masks = [t.dtype in (torch.bool, torch.uint8) for t in indices]
            if masks == [True] and len(args) > 2 and isinstance(indices[0], OnGPU) and not there[-1]:
                return False  # a number that is put where a mask says is filled in
            return any(masks) or not all(there)
        if name is aten.repeat_interleave:
            return func is aten.repeat_interleave.Tensor
        if name is aten.multinomial:  # of several with replacement nothing is checked
            return args[1] == 1 or not (len(args) > 2 and args[2])
        return name in WAITS or (name in ACROSS and not all(there))


class _Calls(TorchFunctionMode):
    # What is asked and moved: where a tensor is, what NumPy may see, and copies from device to device.

    def __init__(self, gpu: "PretendedGPU") -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        kwargs.pop("pin_memory", None)  # there is none
        me = args[0] if args and isinstance(args[0], Tensor) else None
        here = isinstance(me, OnGPU)
        if func in (Tensor.device.__get__, Tensor.is_cuda.__get__, Tensor.is_cpu.__get__) and here:
            return {Tensor.device.__get__: CUDA, Tensor.is_cuda.__get__: True, Tensor.is_cpu.__get__: False}[func]
        if here and func in (Tensor.numpy, Tensor.__array__):
            raise TypeError(f"can't convert {CUDA} device type tensor to numpy. Use Tensor.cpu() to copy it first.")
        if func is Tensor.tolist and here:
            self.gpu.wait("tolist")
            return me.inner.tolist()
        if func is Tensor.cpu:
            return self._moved(me, CPU)
        if func is Tensor.cuda:
            return self._moved(me, CUDA)
        if func is Tensor.to:
            return self._to(me, *args[1:], **kwargs)
        if func is Tensor.data.__set__ and here != isinstance(args[1], OnGPU):
            raise RuntimeError("incompatible tensor type: .data of another device")
        wanted, makes = _device(kwargs.get("device")), func in MAKERS
        if makes and isinstance(args[-1], SEVERAL):  # its numbers are read one by one
            args = (*args[:-1], _each(_number, args[-1]))
        if wanted is None and here and func is Tensor.new_tensor:
            wanted = CUDA
        if wanted is None:
            return self._within(
                func, args, kwargs, here or any(isinstance(t, OnGPU) for t in _tensors((*args, *kwargs.values())))
            )
        kwargs["device"] = CPU
        if makes:
            value = args[-1]
            if isinstance(value, OnGPU):
                return self._to(value, dtype=kwargs.get("dtype"), device=wanted)
            found = func(*args, **kwargs)
            return self._moved(found, wanted) if wanted == CUDA else found
        if wanted == CPU and here:  # such as x.new_zeros(3, device="cpu")
            return func(me.inner, *args[1:], **kwargs)
        if wanted == CUDA and not here and me is not None:
            return self._moved(func(*args, **kwargs), CUDA)
        return self._within(func, args, kwargs, wanted == CUDA)

    def _within(self, func: Any, args: Any, kwargs: Any, on_gpu: bool) -> Any:
        # torch's own functions in Python make tensors where their arguments are.
        self.gpu.creating += on_gpu
        try:
            return func(*args, **kwargs)
        finally:
            self.gpu.creating -= on_gpu

    def _to(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        wanted, dtype, copies = _device(kwargs.get("device")), kwargs.get("dtype"), kwargs.get("copy", False)
        for value in args:
            if isinstance(value, torch.dtype):
                dtype = value
            elif isinstance(value, Tensor):
                wanted, dtype = _place(value), value.dtype
            elif isinstance(value, str | torch.device):
                wanted = _device(value)
        if dtype not in (None, x.dtype) or (copies and wanted in (None, _place(x))):
            x = x.to(dtype, copy=copies)
        return x if wanted is None else self._moved(x, wanted)

    def _moved(self, x: Tensor, device: torch.device) -> Tensor:
        if _place(x) == device:
            return x
        self.gpu.wait("copy to the device" if device == CUDA else "copy from the device")
        return _Moved.apply(x)


class _Moved(torch.autograd.Function):
    # From one device to the other.

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.inner.clone() if isinstance(x, OnGPU) else OnGPU(x.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.inner.clone() if isinstance(gradient, OnGPU) else OnGPU(gradient.clone())


class _GeneratorOnGPU(torch.Generator):
    # As on a real device, its numbers are not those of the CPU under the same seed.

    device = CUDA
    refuses = False

    def manual_seed(self, seed: int) -> torch.Generator:
        return super().manual_seed(seed + 1)

    def clone_state(self) -> torch.Generator:
        return _GeneratorOnGPU().set_state(self.get_state())

    def graphsafe_set_state(self, state: torch.Generator) -> torch.Generator:
        self.refuses = False
        return self.set_state(state.get_state())


class PretendedGPU:
    """What is seen of the device: ``waits`` by operation and place."""

    device = CUDA

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()
        self.creating = 0
        self.generator = _GeneratorOnGPU().manual_seed(0)
        self.generators = [self.generator]
        self.capturing: Graph | None = None

    def launched(self, func: Any, args: Any, kwargs: Any, drawn: bool) -> Any:
        """What a kernel gives; while a graph is captured, that is noted."""
        if self.capturing is None:
            if drawn and self.generator.refuses:
                raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")
            return func(*args, **kwargs)
        return self.capturing.note(func, args, kwargs, drawn)

    def wait(self, what: str) -> None:
        if self.capturing is not None:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({what})")
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
            frame = frame.f_back
        place = "elsewhere" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        self.waits[f"{what} at {place}"] += 1

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Inside, numbers come from the stream of the device: many operations take no generator."""
        cpu, before = torch.default_generator, torch.default_generator.get_state()
        cpu.set_state(self.generator.get_state())
        try:
            yield
        finally:
            self.generator.set_state(cpu.get_state())
            cpu.set_state(before)

    @contextmanager
    def capture(self, graph: Graph) -> Iterator[None]:
        """In place of ``torch.cuda.graph``."""
        state, self.capturing = self.generator.get_state(), graph
        try:
            yield
        except RuntimeError as error:
            self.generator.refuses = True
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture") from error
        finally:
            self.capturing = None
            self.generator.set_state(state)
            graph.end()

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The waits inside."""
        before, found = self.waits, Counter[str]()
        self.waits = found
        try:
            yield found
        finally:
            self.waits = before + found

    def stand_in(self) -> type:
        """In place of ``torch.Generator``."""
        gpu = self

        class Meta(type):
            def __instancecheck__(cls, value: Any) -> bool:
                return isinstance(value, _Generator)

        class Generator(metaclass=Meta):
            def __new__(cls, device: Any = "cpu") -> torch.Generator:  # type: ignore[misc]
                if _device(device) == CPU:
                    return _Generator()
                gpu.generators.append(_GeneratorOnGPU())
                return gpu.generators[-1]

        return Generator


@contextmanager
def pretended() -> Iterator[PretendedGPU]:
    """Inside, there is a GPU."""
    gpu = PretendedGPU()
    stand_ins = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "synchronize": lambda device=None: None,
        "get_device_name": lambda device=None: "pretended",
        "get_rng_state": lambda device=None: gpu.generator.get_state(),
        "set_rng_state": lambda state, device=None: gpu.generator.set_state(state),
        "manual_seed_all": lambda seed: gpu.generator.manual_seed(seed),
        "_is_in_bad_fork": lambda: False,
        "device": lambda device: nullcontext(),
        "Stream": mock.MagicMock,
        "current_stream": mock.MagicMock,
        "set_stream": lambda stream: None,
        "default_generators": (gpu.generator,),
        "stream": lambda stream: nullcontext(),
        "CUDAGraph": lambda: Graph(gpu.drawing),
        "graph": gpu.capture,
    }
    swapping = torch.__future__.get_swap_module_params_on_conversion()
    with ExitStack() as stack:
        for name, function in stand_ins.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, function))
        stack.enter_context(mock.patch.object(torch, "Generator", gpu.stand_in()))
        stack.enter_context(mock.patch.object(torch.optim.Optimizer, "_group_tensors_by_device_and_dtype", _grouped))
        torch.__future__.set_swap_module_params_on_conversion(True)  # parameters stay the objects that optimisers know
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, swapping)
        stack.enter_context(_Operations(gpu))
        stack.enter_context(_Calls(gpu))
        yield gpu


_Generator = torch.Generator


_grouped_by_device = torch.optim.Optimizer._group_tensors_by_device_and_dtype


def _grouped(lists: Any, with_indices: bool = False) -> Any:
    # As optimisers do it, who ask below Python where parameters are.
    found = _grouped_by_device(lists, with_indices)
    return {(_place(group[0][0]), dtype): (group, more) for (_, dtype), (group, more) in found.items()}


def _device(device: Any) -> torch.device | None:
    if device is None:
        return None
    kind = "cuda" if isinstance(device, int) else torch.device(device).type
    return CUDA if kind == "cuda" else CPU


def _place(x: Tensor) -> torch.device:
    return CUDA if isinstance(x, OnGPU) else CPU


def _unwrapped(t: Tensor) -> Tensor:
    return t.inner if isinstance(t, OnGPU) else t


def _number(t: Tensor) -> Any:
    return t.item() if isinstance(t, OnGPU) else t


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, SEVERAL):
            yield from _tensors(value)


def _each(change: Callable[[Tensor], Any], value: Any) -> Any:
    # What is made of each tensor in lists and tuples.
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, SEVERAL):
        found = [_each(change, part) for part in value]
        return found if isinstance(value, list) else tuple(found)
    return value
