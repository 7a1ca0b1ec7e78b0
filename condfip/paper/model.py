"""Cond-FiP whole: what the encoder reads of a dataset, and the decoder that answers from it."""

from torch import Tensor, nn

from condfip.paper.config import ModelConfig
from condfip.paper.decoder import Decoder, Embedding
from condfip.paper.encoder import Encoder


class CondFiPModel(nn.Module):
    """The encoder and the decoder."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def embedding(self, context: Tensor, adjacency: Tensor) -> Embedding:
        """Context rows [B, C, D] -> what the decoder needs of them."""
        return self.decoder.embedding(self.encoder.tokens(context, adjacency), adjacency)
