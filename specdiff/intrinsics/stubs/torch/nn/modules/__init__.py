"""The layers, in torch's own files."""

from .activation import *
from .adaptive import AdaptiveLogSoftmaxWithLoss
from .batchnorm import *
from .channelshuffle import ChannelShuffle
from .container import *
from .conv import *
from .distance import CosineSimilarity, PairwiseDistance
from .dropout import *
from .flatten import Flatten, Unflatten
from .fold import Fold, Unfold
from .instancenorm import *
from .linear import Bilinear, Identity, LazyLinear, Linear
from .loss import *
from .module import Module
from .normalization import *
from .padding import *
from .pixelshuffle import PixelShuffle, PixelUnshuffle
from .pooling import *
from .rnn import *
from .sparse import Embedding, EmbeddingBag
from .transformer import *
from .upsampling import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d
