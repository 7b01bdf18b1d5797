#include "io/digits.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <emmy/core/random.hpp>
#include <span>

namespace emmy::io {
namespace {

// The generator's sequence for drawing: other uses of the same seed (initial weights, shuffling) get other numbers.
constexpr std::uint64_t kSequence = 0x6469676974;

struct Point {
  double x;
  double y;
};

// Strokes live in a box of 100 x 100, y downwards. A smooth stroke is a curve through its points, others are straight
// lines. Digits of one class differ by `styles`, as hands do.
struct Stroke {
  bool smooth = false;
  int size = 0;
  std::array<Point, 12> points{};
};

struct Style {
  int size = 0;
  std::array<Stroke, 3> strokes{};
};

constexpr std::uint32_t kStyles = 3;
constexpr bool kLines = false;
constexpr bool kSmooth = true;

template <class... Points>
constexpr Stroke stroke(bool smooth, Points... points) {
  return {smooth, static_cast<int>(sizeof...(points)), {points...}};
}

template <class... Strokes>
constexpr Style style(Strokes... strokes) {
  return {static_cast<int>(sizeof...(strokes)), {strokes...}};
}

using P = Point;
constexpr std::array<std::array<Style, kStyles>, 10> kDigits = {{
    // 0: closed oval; overlapping at the top; narrow and slanted
    {style(stroke(kSmooth, P{50, 0}, P{17, 18}, P{5, 50}, P{17, 82}, P{50, 100}, P{83, 82}, P{95, 50}, P{83, 18},
                  P{50, 0})),
     style(stroke(kSmooth, P{70, 8}, P{35, 5}, P{8, 40}, P{14, 80}, P{45, 100}, P{82, 80}, P{92, 40}, P{65, 5},
                  P{38, 12})),
     style(stroke(kSmooth, P{60, 0}, P{32, 22}, P{20, 60}, P{30, 95}, P{52, 98}, P{72, 70}, P{80, 30}, P{60, 0}))},
    // 1: bar; bar with a flag; flag and foot
    {style(stroke(kLines, P{52, 0}, P{50, 100})), style(stroke(kLines, P{22, 26}, P{56, 0}, P{54, 100})),
     style(stroke(kLines, P{26, 22}, P{54, 0}, P{54, 98}), stroke(kLines, P{22, 99}, P{86, 99}))},
    // 2: round with a straight foot; looped foot; angular
    {style(stroke(kSmooth, P{12, 22}, P{32, 3}, P{66, 3}, P{84, 24}, P{72, 50}, P{40, 76}, P{10, 98}),
           stroke(kLines, P{10, 98}, P{92, 98})),
     style(stroke(kSmooth, P{14, 16}, P{42, 0}, P{76, 12}, P{78, 36}, P{54, 68}, P{20, 96}, P{8, 82}, P{30, 78},
                  P{62, 96}, P{94, 90})),
     style(stroke(kSmooth, P{10, 10}, P{50, 2}, P{82, 16}, P{70, 44}),
           stroke(kLines, P{70, 44}, P{12, 94}, P{90, 100}))},
    // 3: two bows; flat top; shallow bows with a long nose
    {style(stroke(kSmooth, P{12, 12}, P{46, 0}, P{82, 14}, P{76, 38}, P{40, 48}),
           stroke(kSmooth, P{40, 48}, P{80, 56}, P{90, 78}, P{56, 100}, P{10, 88})),
     style(stroke(kLines, P{12, 3}, P{86, 3}, P{44, 40}),
           stroke(kSmooth, P{44, 40}, P{84, 52}, P{88, 80}, P{52, 100}, P{8, 90})),
     style(stroke(kSmooth, P{18, 6}, P{58, 2}, P{78, 18}, P{58, 40}, P{22, 52}),
           stroke(kSmooth, P{22, 52}, P{66, 52}, P{84, 74}, P{60, 98}, P{16, 98}))},
    // 4: open, straight; closed; open, round
    {style(stroke(kLines, P{26, 0}, P{8, 58}, P{94, 58}), stroke(kLines, P{70, 24}, P{62, 100})),
     style(stroke(kLines, P{66, 100}, P{66, 0}, P{4, 66}, P{96, 66})),
     style(stroke(kSmooth, P{18, 2}, P{10, 38}, P{30, 56}, P{60, 54}, P{84, 44}),
           stroke(kLines, P{84, 2}, P{70, 100}))},
    // 5: corner and bow; one round stroke; loose top bar
    {style(stroke(kLines, P{88, 2}, P{26, 2}, P{20, 44}),
           stroke(kSmooth, P{20, 44}, P{62, 38}, P{90, 64}, P{68, 96}, P{10, 92})),
     style(stroke(kSmooth, P{88, 4}, P{38, 4}, P{20, 28}, P{36, 46}, P{74, 54}, P{84, 80}, P{50, 100}, P{8, 90})),
     style(stroke(kLines, P{34, 8}, P{92, 0}),
           stroke(kSmooth, P{30, 10}, P{24, 46}, P{66, 46}, P{82, 74}, P{54, 100}, P{14, 94}))},
    // 6: bow and loop; straight back; small low loop
    {style(stroke(kSmooth, P{72, 2}, P{32, 24}, P{10, 64}, P{30, 97}, P{74, 95}, P{88, 72}, P{60, 52}, P{18, 66})),
     style(stroke(kLines, P{44, 0}, P{14, 62}),
           stroke(kSmooth, P{14, 62}, P{20, 94}, P{56, 100}, P{84, 80}, P{68, 56}, P{36, 58}, P{14, 74})),
     style(stroke(kSmooth, P{60, 0}, P{24, 36}, P{16, 78}, P{44, 100}, P{74, 88}, P{68, 66}, P{44, 64}, P{22, 84}))},
    // 7: plain; crossed; with a serif and a bent leg
    {style(stroke(kLines, P{8, 4}, P{90, 4}, P{40, 100})),
     style(stroke(kLines, P{8, 6}, P{88, 2}, P{44, 100}), stroke(kLines, P{26, 52}, P{84, 48})),
     style(stroke(kLines, P{10, 22}, P{12, 4}, P{92, 4}), stroke(kSmooth, P{92, 4}, P{62, 40}, P{48, 68}, P{44, 100}))},
    // 8: one crossing stroke; two rings; open at the top
    {style(stroke(kSmooth, P{80, 16}, P{50, 0}, P{20, 16}, P{30, 40}, P{70, 58}, P{84, 82}, P{50, 100}, P{16, 82},
                  P{30, 58}, P{70, 40}, P{80, 16})),
     style(stroke(kSmooth, P{50, 0}, P{22, 22}, P{50, 46}, P{78, 22}, P{50, 0}),
           stroke(kSmooth, P{50, 46}, P{14, 74}, P{50, 100}, P{86, 74}, P{50, 46})),
     style(stroke(kSmooth, P{86, 8}, P{48, 2}, P{22, 20}, P{44, 44}, P{76, 66}, P{66, 96}, P{30, 98}, P{20, 72},
                  P{56, 44}, P{80, 14}))},
    // 9: ring and straight leg; ring and bow; slanted
    {style(stroke(kSmooth, P{82, 26}, P{52, 0}, P{16, 22}, P{30, 50}, P{66, 46}, P{82, 26}),
           stroke(kLines, P{84, 6}, P{78, 100})),
     style(stroke(kSmooth, P{82, 22}, P{50, 0}, P{16, 24}, P{36, 52}, P{78, 34}),
           stroke(kSmooth, P{82, 14}, P{84, 60}, P{60, 96}, P{16, 92})),
     style(stroke(kSmooth, P{74, 30}, P{70, 4}, P{34, 6}, P{18, 36}, P{46, 52}, P{76, 28}),
           stroke(kLines, P{78, 12}, P{46, 100}))},
}};

// How far hands differ. Tuned so that a 64-32-10 net of 4,000 samples errs on a few in a hundred, as on real digits.
constexpr double kJitter = 9.0;      // of a point, in units of the box
constexpr double kSlant = 0.30;      // shift of the top against the bottom, in heights
constexpr double kTurn = 0.12;       // tangent of half the angle
constexpr double kMoveX = 4.0;       // pixels
constexpr double kMoveY = 1.5;       // pixels
constexpr double kMinRadius = 0.9;   // half the width of the pen, pixels
constexpr double kMaxRadius = 2.2;   // pixels
constexpr double kMinHeight = 24.0;  // pixels
constexpr double kMaxHeight = 31.0;  // pixels
constexpr double kMinAspect = 0.45;  // width of the box over its height
constexpr double kMaxAspect = 0.90;
constexpr int kSpecks = 12;  // pixels of the bitmap that are drawn at random

// 32 x 32 pixels of ink or none.
class Bitmap {
 public:
  // Every pixel whose centre is within `radius` of the line from a to b.
  void draw(Point a, Point b, double radius) {
    const Point along{b.x - a.x, b.y - a.y};
    const double length2 = along.x * along.x + along.y * along.y;
    const double scale = length2 > 0 ? 1 / length2 : 0;
    const int right = pixel(std::max(a.x, b.x) + radius);
    const int bottom = pixel(std::max(a.y, b.y) + radius);
    for (int row = pixel(std::min(a.y, b.y) - radius); row <= bottom; ++row) {
      for (int column = pixel(std::min(a.x, b.x) - radius); column <= right; ++column) {
        const Point from{column + 0.5 - a.x, row + 0.5 - a.y};
        const double nearest = std::clamp((from.x * along.x + from.y * along.y) * scale, 0.0, 1.0);
        const Point gap{from.x - nearest * along.x, from.y - nearest * along.y};
        if (gap.x * gap.x + gap.y * gap.y <= radius * radius) set(row, column, true);
      }
    }
  }

  void set(int row, int column, bool ink) {
    const std::uint32_t bit = std::uint32_t{1} << static_cast<unsigned>(column);
    std::uint32_t& line = rows_[static_cast<std::size_t>(row)];
    line = ink ? line | bit : line & ~bit;
  }

  // Ink in a block of 4 x 4 pixels, 0..16.
  [[nodiscard]] int block(std::size_t row, std::size_t column) const {
    int ink = 0;
    for (std::size_t line = 4 * row; line < 4 * row + 4; ++line) {
      ink += std::popcount((rows_[line] >> (4 * column)) & 15U);
    }
    return ink;
  }

 private:
  static int pixel(double coordinate) { return static_cast<int>(std::clamp(coordinate, 0.0, 31.0)); }

  std::array<std::uint32_t, 32> rows_{};
};

// One hand's writing of one digit.
class Writer {
 public:
  explicit Writer(Pcg32& random) : random_(random) {
    const double half = kTurn * centred();
    cosine_ = (1 - half * half) / (1 + half * half);
    sine_ = 2 * half / (1 + half * half);
    slant_ = kSlant * centred();
    height_ = between(kMinHeight, kMaxHeight);
    radius_ = between(kMinRadius, kMaxRadius);
    width_ = height_ * between(kMinAspect, kMaxAspect);
    centre_ = {16 + kMoveX * centred(), 16 + kMoveY * centred()};
  }

  Bitmap write(const Style& style) {
    Bitmap bitmap;
    for (const Stroke& stroke : std::span(style.strokes).first(static_cast<std::size_t>(style.size))) {
      draw(stroke, bitmap);
    }
    for (int speck = 0; speck < kSpecks; ++speck) {
      const std::uint32_t where = random_.next();
      bitmap.set(static_cast<int>(where & 31U), static_cast<int>((where >> 5U) & 31U), (where >> 31U) != 0);
    }
    return bitmap;
  }

 private:
  void draw(const Stroke& stroke, Bitmap& bitmap) {
    const auto size = static_cast<std::size_t>(stroke.size);
    std::array<Point, 12> points{};
    for (std::size_t i = 0; i < size; ++i) points[i] = placed(stroke.points[i]);
    for (std::size_t i = 0; i + 1 < size; ++i) {
      if (!stroke.smooth) {
        bitmap.draw(points[i], points[i + 1], radius_);
        continue;
      }
      // Catmull-Rom: the curve passes through points i and i+1, their neighbours give its direction.
      const Point before = points[i > 0 ? i - 1 : i];
      const Point after = points[i + 2 < size ? i + 2 : i + 1];
      constexpr int kPieces = 4;
      Point last = points[i];
      for (int piece = 1; piece <= kPieces; ++piece) {
        const double t = static_cast<double>(piece) / kPieces;
        const Point next{curve(before.x, points[i].x, points[i + 1].x, after.x, t),
                         curve(before.y, points[i].y, points[i + 1].y, after.y, t)};
        bitmap.draw(last, next, radius_);
        last = next;
      }
    }
  }

  static double curve(double p0, double p1, double p2, double p3, double t) {
    const double a = 3 * (p1 - p2) + p3 - p0;
    const double b = 2 * p0 - 5 * p1 + 4 * p2 - p3;
    return p1 + 0.5 * t * (p2 - p0 + t * (b + t * a));
  }

  // From the box to pixels, with an unsteady hand.
  Point placed(Point point) {
    const double jitter_x = kJitter * centred();
    const double jitter_y = kJitter * centred();
    const double y = ((point.y + jitter_y) / 100 - 0.5) * height_;
    const double x = ((point.x + jitter_x) / 100 - 0.5) * width_ - slant_ * y;
    return {centre_.x + cosine_ * x - sine_ * y, centre_.y + sine_ * x + cosine_ * y};
  }

  double uniform() { return static_cast<double>(random_.uniform()); }
  double between(double low, double high) { return low + (high - low) * uniform(); }
  // A bell over (-1.5, 1.5) of variance 1/4: the sum of three uniform numbers.
  double centred() {
    const double a = uniform();
    const double b = uniform();
    const double c = uniform();
    return a + b + c - 1.5;
  }

  Pcg32& random_;
  double cosine_ = 1;
  double sine_ = 0;
  double slant_ = 0;
  double height_ = 0;
  double width_ = 0;
  double radius_ = 0;
  Point centre_{};
};

}  // namespace

Dataset draw_digits(std::size_t count, std::uint64_t seed) {
  Dataset data;
  data.rows = count;
  data.features = 64;
  data.x.resize(count * 64);
  data.labels.resize(count);
  Pcg32 random(seed, kSequence);
  for (std::size_t sample = 0; sample < count; ++sample) {
    const std::size_t digit = sample % kDigits.size();
    const auto style = static_cast<std::size_t>(random.below(kStyles));
    const Bitmap bitmap = Writer(random).write(kDigits[digit][style]);
    for (std::size_t block = 0; block < 64; ++block) {
      data.x[sample * 64 + block] = static_cast<float>(bitmap.block(block / 8, block % 8)) / 16.0F;
    }
    data.labels[sample] = static_cast<int>(digit);
  }
  return data;
}

}  // namespace emmy::io
