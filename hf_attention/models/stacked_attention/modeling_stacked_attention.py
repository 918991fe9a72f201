# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
PyTorch stacked attention network (Yang et al. 2016, arXiv 1511.02274): a question looks at an image several times, and
what it sees in one glimpse changes where it looks in the next.

Differences from the paper: the image encoder is small and trained with the rest, and its features are normalized and
have positions; the question is read by a GRU instead of an LSTM, and its words are added (`encode_questions`); a
glimpse also sees the context of the one before it, so that it finds objects by their distance from there; the
classifier has a residual hidden layer. What was attended to changes the state by a small network, or as in the paper,
or by a GRU cell that reads the contexts as a sequence (`update_type`).

Shapes: B images, Q questions per image, T tokens per question, N tokens of the image (a grid, row by row), K glimpses,
D `hidden_size`, A `attention_size`.
"""

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.utils.generic import can_return_tuple

from .configuration_stacked_attention import StackedAttentionConfig


class StackedAttentionImageEncoder(nn.Module):
    """
    v = [LayerNorm(W_I f + b_I); x; y], where f are the features of a convolutional network, and x and y the place of
    the token; the paper has tanh instead (equation 2), and no places. A context has the mean place of what was
    attended to.

    A kernel of 4 with a stride of 2 and a padding of 1 is centered on the pixels that its output replaces: a token is
    in the middle of what it sees.
    """

    def __init__(self, config: StackedAttentionConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = config.num_channels
        for width in config.conv_channels:
            layers += [nn.Conv2d(channels, width, 4, 2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.convolutions = nn.Sequential(*layers)
        self.projection = nn.Linear(channels, config.hidden_size - 2)
        self.norm = nn.LayerNorm(config.hidden_size - 2)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, C, height, width) to (B, N, D)."""
        features = self.convolutions(pixel_values).permute(0, 2, 3, 1)  # (B, rows, columns, channels)
        batch_size, rows, columns, _ = features.shape
        # centers of the tokens, from -1 to 1 from edge to edge
        y, x = ((torch.arange(n, device=features.device) * 2 + 1) / n - 1 for n in (rows, columns))
        positions = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).to(features.dtype)
        features = self.norm(self.projection(features))
        return torch.cat([features, positions.expand(batch_size, -1, -1, -1)], dim=-1).flatten(1, 2)


class StackedAttentionGlimpse(nn.Module):
    """
    h_i = tanh(W_v v_i + (W_u u + b)), p = softmax(W_p h + b_p), and the context sum_i p_i v_i (equations 15 to 17),
    with LayerNorm(u) as u. b_p is left out: softmax does not depend on it.

    W_v does not read the place of a token: the first glimpse finds an object by its looks, and reads its place in the
    context. After it, W_c c is added inside tanh, and (w_d u + b_d) d_i to the scores, where c is the last context,
    and d_i the distance of token i from its place: a question can ask for what is close or far.
    """

    def __init__(self, config: StackedAttentionConfig, is_first: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden_size)
        self.is_first = is_first
        if not is_first:
            self.previous = nn.Linear(config.hidden_size, config.attention_size, bias=False)
            self.distance = nn.Linear(config.hidden_size, 1)
        self.key = nn.Linear(config.hidden_size - 2, config.attention_size, bias=False)
        self.query = nn.Linear(config.hidden_size, config.attention_size)
        self.score = nn.Linear(config.attention_size, 1, bias=False)

    def forward(
        self, states: torch.Tensor, tokens: torch.Tensor, previous: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        States (B, Q, D), tokens (B, N, D) and the last contexts (B, Q, D), which the first glimpse does not read, to
        contexts (B, Q, D) and weights (B, Q, N).
        """
        states = self.norm(states)
        queries = self.query(states) if self.is_first else self.query(states) + self.previous(previous)
        features, places = tokens.split([tokens.shape[-1] - 2, 2], dim=-1)
        hidden = (self.key(features).unsqueeze(1) + queries.unsqueeze(2)).tanh_()  # (B, Q, N, A)
        # a matrix, which quantized linear maps may expect
        scores = self.score(hidden.flatten(0, 2)).view(hidden.shape[:-1])
        if not self.is_first:
            squares = (places.unsqueeze(1) - previous[..., -2:].unsqueeze(2)).square().sum(dim=-1)  # (B, Q, N)
            scores = scores + self.distance(states) * (squares + 1e-6).sqrt()
        weights = scores.softmax(dim=-1)
        return weights @ tokens, weights


class StackedAttentionUpdate(nn.Module):
    """u + W_2 ReLU(W_1 LayerNorm([u; c]) + b_1) + b_2: the next state, from the state u and the context c."""

    def __init__(self, config: StackedAttentionConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.layers = nn.Sequential(
            nn.LayerNorm(2 * size), nn.Linear(2 * size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size)
        )

    def forward(self, contexts: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        return states + self.layers(torch.cat([states, contexts], dim=-1))


class StackedAttentionPreTrainedModel(PreTrainedModel):
    config: StackedAttentionConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ["image", "text"]
    _input_embed_layer = "embedding"

    def __init__(self, config: StackedAttentionConfig, *inputs, **kwargs) -> None:
        config.validate_architecture()  # `from_pretrained` may have changed options after the config was validated
        super().__init__(config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
        elif isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight)
            if module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, StackedAttentionGlimpse):
            # so large that tanh is not linear: otherwise the query would add the same to all scores, without effect;
            # after the first glimpse, this is what learns distances
            for linear in (module.key, module.query) if module.is_first else ():
                init.xavier_uniform_(linear.weight, gain=3.0)
        elif isinstance(module, (nn.GRU, nn.GRUCell)):
            for name, weight in module.named_parameters():
                if name.startswith("bias"):
                    init.zeros_(weight)
                elif name.startswith("weight_hh"):
                    init.orthogonal_(weight)
                else:
                    init.xavier_uniform_(weight)


class StackedAttentionModel(StackedAttentionPreTrainedModel):
    """The network without a classifier: image encoder, question encoder and glimpses."""

    _auto_class = "AutoModel"

    def __init__(self, config: StackedAttentionConfig) -> None:
        super().__init__(config)
        self.image_encoder = StackedAttentionImageEncoder(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.question_encoder = nn.GRU(config.hidden_size, config.hidden_size, batch_first=True)
        glimpses = range(config.num_glimpses)
        self.glimpses = nn.ModuleList(StackedAttentionGlimpse(config, number == 0) for number in glimpses)
        if config.update_type == "gru":
            self.update = nn.GRUCell(config.hidden_size, config.hidden_size)
        elif config.update_type == "mlp":
            self.updates = nn.ModuleList(StackedAttentionUpdate(config) for _ in glimpses)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        **kwargs: object,
    ) -> BaseModelOutputWithPooling:
        r"""
        pixel_values (`torch.FloatTensor` of shape `(batch_size, num_channels, height, width)`):
            Images of any size, as returned by `AutoImageProcessor`.
        input_ids (`torch.LongTensor` of shape `(batch_size, length)` or `(batch_size, num_questions, length)`):
            A question about each image, or several, which is faster than to repeat the image.
        attention_mask (`torch.Tensor` of the shape of `input_ids`, *optional*):
            1 for tokens, then 0 for padding.
        output_attentions (`bool`, *optional*):
            Whether to return the weights of all glimpses.

        Returns a `BaseModelOutputWithPooling`: `last_hidden_state` (batch, glimpses, hidden_size), the state u after
        each glimpse; `pooler_output` (batch, hidden_size), the last of them; and, on request, `attentions`, a tuple
        with one (batch, 1, glimpses, tokens) tensor: the tokens of the image are a grid, row by row. With several
        questions per image, (batch, num_questions, ...) each.
        """
        tokens = self.encode_images(pixel_values)  # (B, N, D)
        ids, mask = check_questions(input_ids, attention_mask, len(tokens), self.config.vocab_size)
        questions = ids.shape[:-1]
        state = self.encode_questions(ids.flatten(0, -2), mask.flatten(0, -2))  # (B * Q, D)
        states, attentions, context = [], [], state
        for number, glimpse in enumerate(self.glimpses):
            by_image = (len(tokens), -1)
            contexts, weights = glimpse(state.unflatten(0, by_image), tokens, context.unflatten(0, by_image))
            context = contexts.flatten(0, 1)
            if self.config.update_type == "gru":
                state = self.update(context, state)
            elif self.config.update_type == "mlp":
                state = self.updates[number](context, state)
            else:
                state = state + context
            states.append(state)
            attentions.append(weights.flatten(0, 1))
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        return BaseModelOutputWithPooling(
            last_hidden_state=torch.stack(states, dim=1).unflatten(0, questions),
            pooler_output=state.unflatten(0, questions),
            attentions=(torch.stack(attentions, dim=1).unsqueeze(1).unflatten(0, questions),)
            if output_attentions
            else None,
        )

    def encode_questions(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """
        u = max_t h_t + sum_t x_t, where x are the embeddings of the tokens, and h the states of a GRU that reads them.

        In the paper, u is the last state of an LSTM (section 3.2), or the maximum of convolutions over the words. The
        maximum alone hides which object is asked about, because other words have states as large; the sum shows it.

        Tokens, and what is not padding, are (questions, T); returns (questions, D). Equal questions are read once.
        """
        places = None
        if not torch.compiler.is_compiling():
            rows, places = torch.cat([ids, mask.to(ids.dtype)], dim=1).unique(dim=0, return_inverse=True)
            ids, mask = rows[:, : ids.shape[1]], rows[:, ids.shape[1] :] != 0
        padding = ~mask.unsqueeze(-1)
        words = self.embedding(ids)
        states = self.question_encoder(words)[0].masked_fill(padding, -1)  # below any state
        states = states.amax(dim=1) + words.masked_fill(padding, 0).sum(dim=1)
        return states if places is None else states[places]

    def encode_images(self, pixel_values: torch.Tensor | None) -> torch.Tensor:
        """Checks images (B, C, height, width), and returns their tokens (B, N, D)."""
        if pixel_values is None:
            raise ValueError("You have to specify `pixel_values`.")
        if pixel_values.dim() != 4:
            raise ValueError(
                f"`pixel_values` must be of shape (batch, channels, height, width), got {tuple(pixel_values.shape)}."
            )
        if pixel_values.shape[1] != self.config.num_channels:
            raise ValueError(
                f"`pixel_values` has {pixel_values.shape[1]} channels, but the model's `num_channels` is "
                f"{self.config.num_channels}. Convert the images, or create the model with another `num_channels`."
            )
        if not all(map(self.config.grid_size, pixel_values.shape[2:])):
            raise ValueError(
                f"`pixel_values` has images of {pixel_values.shape[2]} x {pixel_values.shape[3]} pixels, but a token "
                f"has {self.config.grid_stride} on a side. Resize the images, or create the model with fewer "
                "`conv_channels`."
            )
        return self.image_encoder(pixel_values.to(self.dtype))


def check_questions(
    input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None, batch_size: int, vocab_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Returns the questions, and which of their elements are tokens instead of padding. Raises `ValueError` for questions
    that are not of the images or the vocabulary, and for a mask that does not fit them; values are read on CPU only,
    where this costs no synchronization.
    """
    if input_ids is None:
        raise ValueError("You have to specify `input_ids`, the questions.")
    if input_ids.dim() not in (2, 3) or len(input_ids) != batch_size or not input_ids.shape[-1]:
        raise ValueError(
            f"`input_ids` must be of shape ({batch_size}, length), a question for each image, or ({batch_size}, "
            f"questions, length), got {tuple(input_ids.shape)}."
        )
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    if mask.shape != input_ids.shape:
        raise ValueError(
            f"`attention_mask` must have the shape of `input_ids`, {tuple(input_ids.shape)}, got {tuple(mask.shape)}."
        )
    if input_ids.device.type == "cpu" and not torch.compiler.is_compiling() and input_ids.numel():
        low, high = int(input_ids.min()), int(input_ids.max())
        if low < 0 or high >= vocab_size:
            raise ValueError(
                f"`input_ids` has token {low if low < 0 else high}, which is outside the vocabulary of {vocab_size} "
                "tokens. Use the tokenizer that the model was trained with."
            )
        if not (mask[..., 0] != 0).all() or ((mask[..., 1:] != 0) & (mask[..., :-1] == 0)).any():
            raise ValueError(
                "`attention_mask` must be 1 for the tokens of a question, which come first, and 0 for the padding "
                "after them. Set the tokenizer's `padding_side` to 'right'; a question has one token or more."
            )
    return input_ids, mask != 0


def check_answers(labels: torch.Tensor, num_labels: int) -> None:
    """Raises `ValueError` for an index that is not of an answer, on CPU only."""
    if labels.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if (wrong := labels[((labels < 0) & (labels != -100)) | (labels >= num_labels)]).numel():
        raise ValueError(
            f"`labels` has {int(wrong[0])}, but the model has {num_labels} answers, counted from 0. Set `num_labels`."
        )


class StackedAttentionForVisualQuestionAnswering(StackedAttentionPreTrainedModel):
    """
    The network with a classifier of answers: p_ans = softmax(W_u (u + ReLU(W u + b)) + b_u) (equation 19), where u is
    the layer norm of the last state u^K.
    """

    _auto_class = "AutoModelForVisualQuestionAnswering"
    accepts_loss_kwargs = False

    def __init__(self, config: StackedAttentionConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels or 0
        self.model = StackedAttentionModel(config)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.hidden = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        **kwargs: object,
    ) -> SequenceClassifierOutput:
        r"""
        pixel_values, input_ids, attention_mask, output_attentions:
            As of [`StackedAttentionModel`].
        labels (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, num_labels)`, *optional*):
            Indices of the answers (-100 is ignored), or probabilities of all answers. With several questions per
            image, `(batch_size, num_questions)` or `(batch_size, num_questions, num_labels)`.

        Returns a `SequenceClassifierOutput` with `loss`, the mean cross-entropy; `logits` (batch, labels); and, on
        request, `attentions`, a tuple with one (batch, 1, glimpses, tokens) tensor. With several questions per image,
        (batch, num_questions, ...) each.
        """
        outputs = self.model(
            pixel_values, input_ids, attention_mask, output_attentions=output_attentions, return_dict=True, **kwargs
        )
        state = self.norm(outputs.pooler_output)
        logits = self.classifier(self.dropout(state + self.hidden(state).relu()))
        loss = None
        if labels is not None:
            if labels.shape != (logits.shape if labels.is_floating_point() else logits.shape[:-1]):
                raise ValueError(
                    f"`labels` must be indices of answers of shape {tuple(logits.shape[:-1])}, or their probabilities "
                    f"of shape {tuple(logits.shape)}, got {labels.dtype} of shape {tuple(labels.shape)}."
                )
            if not labels.is_floating_point():
                check_answers(labels, self.num_labels)
            labels = labels.flatten(0, -2) if labels.is_floating_point() else labels.flatten().long()
            loss = nn.functional.cross_entropy(logits.flatten(0, -2).float(), labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, attentions=outputs.attentions)


__all__ = [
    "StackedAttentionForVisualQuestionAnswering",
    "StackedAttentionModel",
    "StackedAttentionPreTrainedModel",
]
