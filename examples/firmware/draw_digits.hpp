// Digits of 8 x 8 pixels, drawn where they are learnt: strokes on a lattice, moved, slanted, stretched, thick or thin,
// under noise. Integers only, so that every target draws the same digits and one without an FPU draws them as fast.
#pragma once

#include <cstdint>

#include <emmy/core/random.hpp>

namespace digits {

inline constexpr int kSide = 8, kPixels = kSide * kSide, kClasses = 10;

// Points x (0..4), y (0..6, down); '/' lifts the pen.
inline constexpr const char* kStrokes[kClasses] = {
    "1030414536160501"
    "10",
    "112026",
    "01103041420646",
    "0110304142"
    "23/2344"
    "45361605",
    "200444/3236",
    "4000033344453606",
    "30110405163645443313"
    "04",
    "004016",
    "103041423313020110/1304051636454433",
    "42331302011030414436",
};

// One digit as it is drawn; lengths in sixteenths of a pixel.
class Pen {
 public:
  explicit Pen(emmy::Pcg32& rng) : rng_(rng) {
    step_x_ = between(14, 20);
    step_y_ = between(14, 18);
    slant_ = between(-3, 3);
    centre_x_ = 8 * kSide + between(-12, 12);
    centre_y_ = 8 * kSide + between(-8, 8);
    const int radius = between(12, 19);
    reach_ = radius * radius;
    gain_ = (200 << 8) / reach_;
  }

  void draw(const char* strokes) {
    Point last{};
    for (bool down = false; *strokes != '\0'; strokes += 2) {
      if (*strokes == '/') ++strokes, down = false;
      const Point next = placed(strokes[0] - '0', strokes[1] - '0');
      if (down) line(last, next);
      last = next;
      down = true;
    }
  }

  // Values in [0, 1), multiples of 2^-8.
  void develop(float* x) {
    std::uint32_t noise = 0;
    for (int p = 0; p < kPixels; ++p, noise >>= 8) {
      if (p % 4 == 0) noise = rng_.next();
      const int value = ink_[p] + static_cast<int>(noise & 63u) - 16;
      x[p] = static_cast<float>(value < 0 ? 0 : value) * 0x1p-8f;
    }
  }

 private:
  struct Point {
    int x, y;
  };
  int between(int low, int high) {
    return low + static_cast<int>(rng_.below(static_cast<std::uint32_t>(high - low + 1)));
  }

  Point placed(int x, int y) {
    return {centre_x_ + (x - 2) * step_x_ - (y - 3) * slant_ + between(-3, 3),
            centre_y_ + (y - 3) * step_y_ + between(-3, 3)};
  }

  // A dot every quarter of a pixel.
  void line(Point a, Point b) {
    const int dx = b.x - a.x, dy = b.y - a.y, across = dx < 0 ? -dx : dx, along = dy < 0 ? -dy : dy;
    const int dots = (across > along ? across : along) / 4 + 1;
    const int step_x = dx * 256 / dots, step_y = dy * 256 / dots;
    for (int i = 0; i <= dots; ++i) dot(a.x + i * step_x / 256, a.y + i * step_y / 256);
  }

  // The ink of a dot falls with the square of the distance; where dots overlap the darkest counts.
  void dot(int x, int y) {
    const int column = x / 16, row = y / 16;  // negative only just outside
    for (int r = row - 1; r <= row + 1; ++r) {
      for (int c = column - 1; c <= column + 1; ++c) {
        if (r < 0 || r >= kSide || c < 0 || c >= kSide) continue;
        const int dx = 16 * c + 8 - x, dy = 16 * r + 8 - y, distance = dx * dx + dy * dy;
        const int ink = (reach_ - distance) * gain_ / 256;
        if (ink > ink_[r * kSide + c]) ink_[r * kSide + c] = static_cast<unsigned char>(ink);
      }
    }
  }

  emmy::Pcg32& rng_;
  int step_x_, step_y_, slant_, centre_x_, centre_y_, reach_, gain_;
  unsigned char ink_[kPixels] = {};
};

// Draws one digit into x [64] and returns its label.
inline int draw(emmy::Pcg32& rng, float* x) {
  const auto label = static_cast<int>(rng.below(kClasses));
  Pen pen{rng};
  pen.draw(kStrokes[label]);
  pen.develop(x);
  return label;
}

}  // namespace digits
