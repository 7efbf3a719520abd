/* From what test programs print to numbers. A program that fails without naming a case is a failed case itself. */
import { existsSync, readFileSync } from 'node:fs';
import type { Ended } from './child.ts';

export interface Count {
    passed: number;
    failed: { name: string; output: string }[];
    skipped: { name: string; why: string }[];
}

const detail_lines_max = 1000;

interface TapCase {
    isOk: boolean;
    name: string;
    skip: string | null;
}

export interface MesonTest {
    name: string;
    command?: string[];
    result: string;
    duration: number;
    stdout?: string;
    stderr?: string;
}

export function nothing(): Count {
    return { passed: 0, failed: [], skipped: [] };
}

export function addUp(counts: Count[]): Count {
    return {
        passed: counts.reduce((sum, count) => sum + count.passed, 0),
        failed: counts.flatMap((count) => count.failed),
        skipped: counts.flatMap((count) => count.skipped),
    };
}

export function oneCase(name: string, ended: Ended): Count {
    if (ended.code === 0) return { ...nothing(), passed: 1 };
    return { ...nothing(), failed: [{ name, output: ended.output }] };
}

/** The flat lines of TAP: those of a cmocka program, which has no cases inside cases. */
export function tapCases(text: string): TapCase[] {
    const cases: TapCase[] = [];
    for (const line of text.split('\n')) {
        const match = /^(not )?ok \d+(?: - | )?(.*)$/.exec(line);
        if (!match) continue;
        const [before = '', directive] = (match[2] ?? '').split(/\s*(?<!\\)# /, 2);
        const skip = /^(?:skip|todo)\b\s*(.*)$/i.exec(directive ?? '');
        // cmocka has no reason, and writes the name where the reason belongs.
        const name = before === '' && skip ? skip[1]! : before;
        const why = skip && before !== '' && skip[1] !== '' ? skip[1]! : 'the test gives no reason';
        cases.push({ isOk: match[1] === undefined, name, skip: skip ? why : null });
    }
    return cases;
}

/** One C program: its cases when it speaks TAP, itself as one case when it does not. */
export function programCases(test: MesonTest): Count {
    const output = `${test.stdout ?? ''}${test.stderr ?? ''}`;
    const cases = tapCases(test.stdout ?? '');
    const count = nothing();
    for (const { isOk, name, skip } of cases) {
        if (skip !== null) count.skipped.push({ name: `${test.name}: ${name}`, why: skip });
        else if (isOk) count.passed++;
        else count.failed.push({ name: `${test.name}: ${name}`, output });
    }
    if (test.result === 'SKIP') count.skipped.push({ name: test.name, why: output.trim() || 'it said so by its exit code' });
    else if (test.result !== 'OK' && count.failed.length === 0)
        count.failed.push({ name: `${test.name} (${test.result}, ${test.duration.toFixed(1)} s)`, output });
    else if (test.result === 'OK' && cases.length === 0) count.passed++;
    return count;
}

/** A case that says no under sanitizers (memory, speed) and yes in the hardened build has been run. */
export function secondLook(test: MesonTest, count: Count, stdout: string): Count {
    const cases = new Map(tapCases(stdout).map((one) => [`${test.name}: ${one.name}`, one]));
    const result: Count = { ...count, failed: [...count.failed], skipped: [] };
    for (const skipped of count.skipped) {
        const seen = cases.get(skipped.name);
        if (seen === undefined || seen.skip !== null) result.skipped.push(skipped);
        else if (seen.isOk) result.passed++;
        else result.failed.push({ name: `${skipped.name} (hardened build)`, output: stdout });
    }
    return result;
}

/** Meson's log has a JSON document a line. `again` may run a program that skipped cases in another build, and says what it printed. */
export async function mesonTests(
    logFile: string,
    ended: Ended,
    again: (test: MesonTest) => Promise<string> = async () => '',
): Promise<Count> {
    if (!existsSync(logFile) || (ended.code !== 0 && /^ninja: error|ERROR: /m.test(ended.output)))
        return oneCase('meson test', { ...ended, code: ended.code === 0 ? 1 : ended.code });
    const counts: Count[] = [];
    for (const line of readFileSync(logFile, 'utf8').split('\n').filter((text) => text !== '')) {
        const test = JSON.parse(line) as MesonTest;
        const count = programCases(test);
        counts.push(count.skipped.length > 0 ? secondLook(test, count, await again(test)) : count);
    }
    const count = addUp(counts);
    if (ended.isLate || (ended.code !== 0 && count.failed.length === 0)) count.failed.push({ name: 'meson test', output: ended.output });
    return count;
}

/** node:test sums up over all files at the end; the names of what failed or was skipped stand in the lines. */
export function nodeTests(ended: Ended): Count {
    const sum = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(ended.stdout)?.[1] ?? 0);
    const count: Count = { ...nothing(), passed: sum('pass') };
    const lines = ended.stdout.split('\n');
    lines.forEach((line, at) => {
        const match = /^ *(not )?ok \d+ - (.*)$/.exec(line);
        if (!match) return;
        const [name = '', directive] = (match[2] ?? '').split(/\s*(?<!\\)# /, 2);
        if (directive !== undefined && /^(skip|todo)/i.test(directive)) {
            count.skipped.push({ name, why: directive.replace(/^(skip|todo)\s*/i, '') || 'no reason given' });
        } else if (match[1] !== undefined) {
            const detail = lines.slice(at, at + detail_lines_max);
            const end = detail.findIndex((text) => /^ *\.\.\.$/.test(text));
            const text = detail.slice(0, end < 0 ? detail_lines_max : end + 1).join('\n');
            const isOnlyParent = /failureType: 'subtestsFailed'/.test(text);
            if (!isOnlyParent) count.failed.push({ name, output: text });
        }
    });
    for (let at = count.skipped.length; at < sum('skipped') + sum('todo'); at++)
        count.skipped.push({ name: 'node --test', why: 'skipped without a name' });
    const told = sum('fail') + sum('cancelled');
    if (count.failed.length === 0 && (told > 0 || ended.code !== 0 || ended.isLate))
        count.failed.push({ name: 'node --test', output: ended.output });
    return count;
}

/** `./dev lint` says "ok rule" or what breaks it and "not ok rule". */
export function lintRules(ended: Ended): Count {
    const count = nothing();
    let found: string[] = [];
    for (const line of ended.stdout.split('\n')) {
        const match = /^(not )?ok ([a-z_]+)$/.exec(line);
        if (!match) {
            if (line !== '') found.push(line);
            continue;
        }
        if (match[1] === undefined) count.passed++;
        else count.failed.push({ name: `lint ${match[2]}`, output: found.join('\n') });
        found = [];
    }
    if (count.passed + count.failed.length === 0) count.failed.push({ name: 'lint', output: ended.output });
    return count;
}
