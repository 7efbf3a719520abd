/* Pages that speak of tables in the code are held to them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const pages = ['README.md', ...readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`)];

/** Names and defaults of an X-macro table in a header. */
function macroRows(file: string, pattern: RegExp): Map<string, string> {
    return new Map([...read(file).matchAll(pattern)].map((row) => [row[1]!, row[2]!]));
}

/** The rows | `name` | default | … of configuration.md below a heading. */
function documented(heading: string): Map<string, string> {
    const section = read('docs/configuration.md').split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
    return new Map([...section.matchAll(/^\| `([a-z_]+)` \| `?([^`|]*?)`? \|/gm)].map((row) => [row[1]!, row[2]!.trim()]));
}

describe('the page of settings', () => {
    it('has every setting of the server with its default', () => {
        const table = macroRows('src/config.h', /X\((\w+),\s+(?:TEXT|NUMBER|SECRET),\s+"([^"]*)"/g);
        assert.ok(table.size > 20);
        assert.deepEqual(documented('Of the server'), table);
    });
    it('has every setting of the runner with its default', () => {
        const rows = [...read('src/runner/settings.h').matchAll(/X\(\w+,\s+([A-Z_]+),\s+([A-Z]+),\s+"([^"]*)"/g)];
        const table = new Map(rows.map(([, name, kind, init]) => [name!, kind === 'CHOICE' ? init!.split('|')[0]! : init!]));
        const written = [...read('docs/runner.md').matchAll(/^\| `([A-Z_]+)` \| `?([^`|]*?)`? \|/gm)];
        assert.ok(table.size > 40);
        assert.deepEqual(new Map(written.map((row) => [row[1]!, row[2]!.trim()])), table);
    });
    it('has every setting of a repository with its default', () => {
        const rows = [...read('src/domain/settings.h').matchAll(/X\((\w+),\s+(I64|BOOL|EXECUTOR|NAME),\s+(\d+),/g)];
        const words: Record<string, (init: string) => string> = {
            I64: (init) => init,
            BOOL: (init) => (init === '1' ? 'yes' : 'no'),
            EXECUTOR: (init) => (init === '0' ? 'github_actions' : 'runner'),
            NAME: () => '',
        };
        const table = new Map(rows.map((row) => [row[1]!, words[row[2]!]!(row[3]!)]));
        assert.ok(table.size >= 10);
        assert.deepEqual(documented('Of a repository'), table);
    });
});

describe('links between pages', () => {
    for (const page of pages)
        it(`lead somewhere: ${page}`, () => {
            for (const [, target] of read(page).matchAll(/\]\(((?!https?:)[^)#]+)/g))
                assert.ok(existsSync(join(root, dirname(page), target!)), `${page} links to ${target}`);
        });
});

describe('the map of the house', () => {
    const map = read('docs/architecture.md');
    it('names every room of src', () => {
        for (const room of readdirSync(join(root, 'src')).filter((name) => statSync(join(root, 'src', name)).isDirectory()))
            if (readdirSync(join(root, 'src', room)).length > 0) assert.match(map, new RegExp(`^  ${room}/ `, 'm'), room);
    });
    it('names only files that are there', () => {
        for (const [, file] of map.matchAll(/`((?:src|test|tools)\/[\w/.-]+)`/g)) assert.ok(existsSync(join(root, file!)), file);
    });
});

describe('the commands of a developer', () => {
    it('are all in the README', () => {
        const commands = [...execFileSync(join(root, 'dev'), { encoding: 'utf8' }).matchAll(/^ {2}([a-z]+) /gm)].map((row) => row[1]!);
        assert.ok(commands.length >= 10);
        for (const command of commands) assert.match(read('README.md'), new RegExp(`\\b${command}\\b`), command);
    });
    it('explain themselves in a line each', () => {
        const functions = [...read('dev').matchAll(/^cmd_([a-z]+)\(\)/gm)].length;
        const shown = execFileSync(join(root, 'dev'), { encoding: 'utf8' }).trim().split('\n').length - 1;
        assert.equal(shown, functions);
    });
    it('say what is wrong with a word that is none', () => {
        assert.throws(() => execFileSync(join(root, 'dev'), ['tset'], { stdio: 'pipe' }), /there is no command 'tset'/);
    });
});
