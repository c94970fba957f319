"""How closely gradients are held to finite differences."""

from torch.autograd import gradcheck


def strict(function, *inputs):
    """Raises unless gradients are those of finite differences within a millionth, of their size or of 2."""
    assert gradcheck(function, [x.clone().requires_grad_() for x in inputs], eps=1e-6, atol=2e-6, rtol=1e-6)
