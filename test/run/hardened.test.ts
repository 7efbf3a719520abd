/* What the compiler and linker were asked for has to be in the program that ships. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const program = process.env['SIGNALBOX_BIN_RELEASE'] ?? join(import.meta.dirname, '../../build/signalbox');
const readelf = (...args: string[]) =>
    execFileSync('readelf', ['--wide', ...args, program], { encoding: 'utf8', maxBuffer: 64 << 20 });

describe('the hardened program', () => {
    it('is there', () => assert.ok(existsSync(program), `${program} is missing: ./dev build`));
    it('can be loaded anywhere (PIE)', () => {
        assert.match(readelf('--file-header'), /Type: +DYN/);
        assert.match(readelf('--dynamic'), /FLAGS_1.*PIE/);
    });
    it('has its tables read-only before main (full RELRO)', () => {
        assert.match(readelf('--program-headers'), /GNU_RELRO/);
        assert.match(readelf('--dynamic'), /BIND_NOW|FLAGS_1.*NOW/);
    });
    it('notices a smashed stack', () => assert.match(readelf('--dyn-syms'), /__stack_chk_fail/));
    it('checks the bounds of C library calls (FORTIFY)', () =>
        assert.match(readelf('--dyn-syms'), /__(memcpy|vsnprintf|snprintf|memset|memmove)_chk/));
    it('has no executable stack and nothing writable and executable', () => {
        const headers = readelf('--program-headers');
        assert.match(headers, /GNU_STACK.* RW +0x/);
        assert.doesNotMatch(headers, /LOAD.* RWE /);
    });
    it('finds libraries only where the system has them', () =>
        assert.doesNotMatch(readelf('--dynamic'), /\((RPATH|RUNPATH)\)/));
    it('carries no sanitizer', () => assert.doesNotMatch(readelf('--dyn-syms'), /__asan_|__ubsan_/));
});

describe('the program of the tests', () => {
    const sanitized = process.env['SIGNALBOX_BIN'] ?? join(import.meta.dirname, '../../build-test/src/signalbox');
    it('runs under ASan and UBSan', () => {
        const symbols = execFileSync('readelf', ['--wide', '--dyn-syms', sanitized], { encoding: 'utf8', maxBuffer: 64 << 20 });
        assert.match(symbols, /__asan_init/);
        assert.match(symbols, /__ubsan_handle/);
    });
});
