// Projections: weights onto a constraint, gradients onto its tangent space, and what moves along (docs/constraints.md).
#pragma once

#include <emmy/project/balance.hpp>
#include <emmy/project/entries.hpp>
#include <emmy/project/group_average.hpp>
#include <emmy/project/rank.hpp>
#include <emmy/project/rebalance.hpp>
#include <emmy/project/sets.hpp>
