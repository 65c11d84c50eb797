/* bcryptprimitives.dll for Wine 8 and older, which haven't got it: Rust's standard library asks it for
 * random bytes, and a program that finds no such DLL ends with 53 and no word. Every Windows since
 * Windows 7 has it, and Wine from its version 9 on. tests/windows/run builds it where it is missing.
 *
 * SystemFunction036 is RtlGenRandom, which takes 32 bits for the length. */
#include <stdint.h>

typedef int BOOL;
typedef unsigned char BOOLEAN;

__declspec(dllimport) BOOLEAN __stdcall SystemFunction036(void *buffer, uint32_t length);

__declspec(dllexport) BOOL __stdcall ProcessPrng(uint8_t *buffer, uint64_t length)
{
    while (length > 0) {
        uint32_t some = length < 4096 ? (uint32_t) length : 4096;
        if (!SystemFunction036(buffer, some))
            return 0;
        buffer += some;
        length -= some;
    }
    return 1;
}
