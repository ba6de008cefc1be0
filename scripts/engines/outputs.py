"""Runs a model and compares what it gives with what another one gave."""

import torch

# What is compared, where a model returns it.
_NAMES = ("logits", "last_hidden_state", "pooler_output", "pred_boxes", "text_embeds",
          "image_embeds", "logits_per_image", "iou_scores", "pred_masks",
          "class_queries_logits", "masks_queries_logits", "audio_values",
          "quantized_representation")

# Of the outputs' size, the part that must depend on the input.
LEAST_DEPENDENCE = 0.01


def run(model, arguments):
    """Returns the outputs by name, in float64, without what the batch shares."""
    dtype = next(p.dtype for p in model.parameters() if p.is_floating_point())
    arguments = {name: value.to(dtype) if value.is_floating_point() else value
                 for name, value in arguments.items()}
    with torch.no_grad():
        returned = model(**arguments)
    found = {name: returned[name].double() for name in _NAMES
             if torch.is_tensor(returned.get(name))}
    if not found:
        raise RuntimeError(f"none of the outputs is known: {list(returned)}")
    return found


def _centred(values):
    return values - values.mean(0, keepdim=True)


def dependence(outputs):
    """The smallest part of an output's size that depends on the input."""
    return min(float(_centred(values).norm() / values.norm())
               for values in outputs.values())


def cosine(outputs, others):
    """The lowest cosine of the parts that depend on the input; NaN when one is not
    finite."""
    lowest = 1.0
    for name, values in outputs.items():
        other = others[name]
        if not (torch.isfinite(values).all() and torch.isfinite(other).all()):
            return float("nan")
        lowest = min(lowest, float(torch.nn.functional.cosine_similarity(
            _centred(values).flatten(), _centred(other).flatten(), dim=0)))
    return lowest
