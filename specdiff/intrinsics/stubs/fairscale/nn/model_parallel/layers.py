"""Layers split over processes: with one process each holds the whole weight."""

import torch
import torch.nn.functional as F
from torch.nn.parameter import Parameter


class _WholeEmbedding(torch.nn.Module):
    def __init__(self, num_embeddings, embedding_dim, padding_idx):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.weight = Parameter(torch.empty(num_embeddings, embedding_dim))

    def forward(self, input_):
        return F.embedding(input_, self.weight, self.padding_idx)


class VocabParallelEmbedding(_WholeEmbedding):
    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        init_method=None,
        keep_master_weight_for_test=False,
    ):
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        self.num_embeddings_per_partition = num_embeddings


class ParallelEmbedding(_WholeEmbedding):
    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        init_method=None,
        keep_master_weight_for_test=False,
    ):
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        self.embedding_dim_per_partition = embedding_dim


class _WholeLinear(torch.nn.Module):
    def __init__(self, in_features, out_features, bias):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(torch.empty(out_features, in_features))
        if bias:
            self.bias = Parameter(torch.zeros(out_features))
        else:
            self.register_parameter("bias", None)

    def get_master_weight(self):
        return self.weight

    def forward(self, input_):
        return F.linear(input_, self.weight, self.bias)


class ColumnParallelLinear(_WholeLinear):
    def __init__(
        self,
        in_features,
        out_features,
        bias=True,
        gather_output=True,
        init_method=None,
        stride=1,
        keep_master_weight_for_test=False,
    ):
        super().__init__(in_features, out_features, bias)
        self.gather_output = gather_output
        self.output_size_per_partition = out_features


class RowParallelLinear(_WholeLinear):
    def __init__(
        self,
        in_features,
        out_features,
        bias=True,
        input_is_parallel=False,
        init_method=None,
        stride=1,
        keep_master_weight_for_test=False,
    ):
        super().__init__(in_features, out_features, bias)
        self.input_is_parallel = input_is_parallel
        self.input_size_per_partition = in_features
