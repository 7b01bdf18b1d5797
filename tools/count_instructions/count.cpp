// A plugin for QEMU 7.2 (user and system mode): how many instructions does a call of one function take, its callees
// included? Debian ships neither qemu-plugin.h nor any plugin, but its emulators export the interface (version 1), so
// what is used of it is declared here.
//
//   -plugin libcount.so,entry=ADDRESS,return=ADDRESS[,return=ADDRESS]...,skip=N,out=FILE
//
// ADDRESS is hexadecimal, without the Thumb bit. `entry` is the first instruction of the function, `return` every one
// that follows a call of it: count_instructions.py finds them. A call that ends elsewhere (a tail call) never returns
// for this plugin, and is reported. The first N calls are run, not counted.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
using qemu_plugin_id_t = std::uint64_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
using TranslateCallback = void (*)(qemu_plugin_id_t, qemu_plugin_tb*);
using ExecuteCallback = void (*)(unsigned, void*);
using ExitCallback = void (*)(qemu_plugin_id_t, void*);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, std::size_t);
std::uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn*);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, TranslateCallback);
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, ExecuteCallback, int flags, void* data);
void qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_insn*, int operation, void* counter, std::uint64_t addend);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, ExitCallback, void* data);

[[gnu::visibility("default")]] extern const int qemu_plugin_version = 1;
}

namespace {

constexpr int kNoRegisters = 0, kAdd = 0;
constexpr int kMaxReturns = 64;

std::uint64_t entry, returns[kMaxReturns], skip;
int return_count;
const char* out;

std::uint64_t executed;  // added to by QEMU's own code, for speed
bool inside;
std::uint64_t start, calls, counted, sum, least = UINT64_MAX, most, nested;

void on_entry(unsigned, void*) {
  if (inside) ++nested;  // recursion, or a call before whose end we saw no return address
  inside = true;
  start = executed;
}

// Whether QEMU adds before or after it calls us, it does the same at both ends: entry counts, the return address not.
void on_return(unsigned, void*) {
  if (!inside) return;
  inside = false;
  if (++calls <= skip) return;
  const std::uint64_t n = executed - start;
  ++counted;
  sum += n;
  if (n < least) least = n;
  if (n > most) most = n;
}

void translate(qemu_plugin_id_t, qemu_plugin_tb* block) {
  const std::size_t n = qemu_plugin_tb_n_insns(block);
  for (std::size_t i = 0; i < n; ++i) {
    qemu_plugin_insn* const instruction = qemu_plugin_tb_get_insn(block, i);
    const std::uint64_t address = qemu_plugin_insn_vaddr(instruction);
    for (int r = 0; r < return_count; ++r) {
      if (address == returns[r]) {
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_return, kNoRegisters, nullptr);
        break;
      }
    }
    if (address == entry) qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_entry, kNoRegisters, nullptr);
    qemu_plugin_register_vcpu_insn_exec_inline(instruction, kAdd, &executed, 1);
  }
}

void report(qemu_plugin_id_t, void*) {
  std::FILE* const file = out != nullptr ? std::fopen(out, "w") : stderr;
  if (file == nullptr) return;
  std::fprintf(file,
               "calls %" PRIu64 " counted %" PRIu64 " sum %" PRIu64 " least %" PRIu64 " most %" PRIu64
               " nested %" PRIu64 " open %d total %" PRIu64 "\n",
               calls, counted, sum, counted != 0 ? least : 0, most, nested, inside ? 1 : 0, executed);
  if (file != stderr) std::fclose(file);
}

}  // namespace

extern "C" [[gnu::visibility("default")]] int qemu_plugin_install(qemu_plugin_id_t id, const void*, int argc,
                                                                  char** argv) {
  for (int i = 0; i < argc; ++i) {
    if (std::strncmp(argv[i], "entry=", 6) == 0) entry = std::strtoull(argv[i] + 6, nullptr, 16);
    if (std::strncmp(argv[i], "return=", 7) == 0 && return_count < kMaxReturns)
      returns[return_count++] = std::strtoull(argv[i] + 7, nullptr, 16);
    if (std::strncmp(argv[i], "skip=", 5) == 0) skip = std::strtoull(argv[i] + 5, nullptr, 10);
    if (std::strncmp(argv[i], "out=", 4) == 0) out = strdup(argv[i] + 4);
  }
  if (entry == 0 || return_count == 0) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  qemu_plugin_register_atexit_cb(id, report, nullptr);
  return 0;
}
