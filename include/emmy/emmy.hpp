// Everything, for users. Nothing inside Emmy includes this file.
#pragma once

#include <emmy/core/mat.hpp>
#include <emmy/core/random.hpp>
#include <emmy/core/shape.hpp>
#include <emmy/core/status.hpp>
#include <emmy/kernels/reduce.hpp>
#include <emmy/net/hash.hpp>
#include <emmy/net/init.hpp>
#include <emmy/net/pack.hpp>
#include <emmy/noether/bounds.hpp>
#include <emmy/noether/energy.hpp>
#include <emmy/noether/learning_dynamics.hpp>
#include <emmy/noether/report.hpp>
#include <emmy/noether/rotation.hpp>
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/fold.hpp>
#include <emmy/parametrize/fold_norms.hpp>
#include <emmy/project/project.hpp>
#include <emmy/simd/strict.hpp>
#include <emmy/train/balance.hpp>
#include <emmy/train/guards.hpp>
#include <emmy/train/shared_adam.hpp>
#include <emmy/train/streaming.hpp>
#include <emmy/train/tangent_kernel.hpp>
#include <emmy/train/trainer.hpp>
#include <emmy/train/verbs.hpp>
