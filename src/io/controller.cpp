#include "io/controller.hpp"

#include <algorithm>
#include <cmath>
#include <emmy/core/random.hpp>

namespace emmy::io {
namespace {

constexpr std::uint64_t kDrawing = 0x6d6f746f72;
constexpr int kState = 13, kMotors = 4;

struct Vec3 {
  double x, y, z;
};
Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
Vec3 operator*(double s, Vec3 a) { return {s * a.x, s * a.y, s * a.z}; }
double dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
Vec3 unit(Vec3 a) { return (1 / std::sqrt(dot(a, a))) * a; }

// The axes of a body, columns of its rotation.
struct Frame {
  Vec3 x, y, z;
};

Frame frame_of(double w, double x, double y, double z) {
  return {{1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)},
          {2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)},
          {2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)}};
}

double uniform(Pcg32& rng, double range) { return range * (2 * static_cast<double>(rng.uniform()) - 1); }

}  // namespace

void control(const double state[13], double motor[4]) {
  // In units of the weight; the gains make errors of the size drawn below saturate motors now and then.
  constexpr double kPosition = 0.4, kVelocity = 0.35, kAttitude = 0.5, kRate = 0.12, kYaw = 0.3;
  const Vec3 position{state[0], state[1], state[2]}, velocity{state[7], state[8], state[9]},
      rates{state[10], state[11], state[12]};
  const Frame body = frame_of(state[3], state[4], state[5], state[6]);
  Vec3 force = -kPosition * position + -kVelocity * velocity + Vec3{0, 0, 1};
  force.z = std::max(force.z, 0.2);  // never upside down: the wanted frame stays defined
  const double thrust = dot(force, body.z);
  Frame wanted{};
  wanted.z = unit(force);
  wanted.y = unit(cross(wanted.z, {1, 0, 0}));
  wanted.x = cross(wanted.y, wanted.z);
  // The vector of (wanted' body - body' wanted) / 2
  const Vec3 error = {(dot(wanted.z, body.y) - dot(wanted.y, body.z)) / 2,
                      (dot(wanted.x, body.z) - dot(wanted.z, body.x)) / 2,
                      (dot(wanted.y, body.x) - dot(wanted.x, body.y)) / 2};
  const Vec3 moment = -kAttitude * error + -kRate * rates;
  // Front left, front right, rear left, rear right; diagonal ones spin alike. Hover is half of full.
  const double mixed[kMotors] = {
      thrust + moment.x - moment.y - kYaw * moment.z, thrust - moment.x - moment.y + kYaw * moment.z,
      thrust + moment.x + moment.y + kYaw * moment.z, thrust - moment.x + moment.y - kYaw * moment.z};
  for (int m = 0; m < kMotors; ++m) motor[m] = std::clamp(mixed[m] - 1, -1.0, 1.0);
}

Dataset draw_controller(std::size_t count, std::uint64_t seed) {
  constexpr double kMetres = 2.5, kMetresPerSecond = 2.5, kTilt = 0.4, kRadiansPerSecond = 2;
  Pcg32 rng{seed, kDrawing};
  Dataset data;
  data.rows = count;
  data.features = kState;
  for (std::size_t i = 0; i < count; ++i) {
    double state[kState], motor[kMotors];
    for (int a = 0; a < 3; ++a) state[a] = uniform(rng, kMetres);
    const double x = uniform(rng, kTilt), y = uniform(rng, kTilt), z = uniform(rng, kTilt);
    const double scale = 1 / std::sqrt(1 + x * x + y * y + z * z);
    state[3] = scale;
    state[4] = scale * x;
    state[5] = scale * y;
    state[6] = scale * z;
    for (int a = 7; a < 10; ++a) state[a] = uniform(rng, kMetresPerSecond);
    for (int a = 10; a < 13; ++a) state[a] = uniform(rng, kRadiansPerSecond);
    control(state, motor);
    for (const double s : state) data.x.push_back(static_cast<float>(s));
    for (const double m : motor) data.values.push_back(static_cast<float>(m));
  }
  return data;
}

}  // namespace emmy::io
