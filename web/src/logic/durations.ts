/* How long the runs of one instance took, as lines of a chart: one line a command, oldest first. */
import { durationWords } from './time.ts';

export interface Timed {
    command: string;
    startedAt: string | null;
    endedAt: string | null;
    durationMs: number | null;
}

export interface Durations {
    at_ms: number[];
    /** By command; a value where a run of it began. */
    lines: { command: string; values: (number | null)[] }[];
    /** Of the values. */
    unit: 's' | 'min';
    /** The same for those who do not see the chart. */
    words: string;
}

const minutes_from_ms = 5 * 60_000;

/** Null: fewer than two runs have ended, and a chart would say nothing. */
export function durationsOf(runs: readonly Timed[]): Durations | null {
    const ended = runs
        .flatMap(({ command, startedAt, endedAt, durationMs }) =>
            startedAt === null || endedAt === null || durationMs === null
                ? []
                : [{ command: command || 'run', at_ms: Date.parse(startedAt), durationMs }],
        )
        .sort((a, b) => a.at_ms - b.at_ms);
    if (ended.length < 2) return null;
    const longest_ms = Math.max(...ended.map((run) => run.durationMs));
    const unit = longest_ms >= minutes_from_ms ? 'min' : 's';
    const one_ms = unit === 'min' ? 60_000 : 1000;
    const commands = [...new Set(ended.map((run) => run.command))].sort();
    const lines = commands.map((command) => ({
        command,
        values: ended.map((run) => (run.command === command ? run.durationMs / one_ms : null)),
    }));
    return { at_ms: ended.map((run) => run.at_ms), lines, unit, words: wordsOf(ended, commands) };
}

function wordsOf(ended: { command: string; durationMs: number }[], commands: string[]): string {
    const told = commands.map((command) => {
        const of = ended.filter((run) => run.command === command).map((run) => run.durationMs);
        const from = durationWords(Math.min(...of));
        const to = durationWords(Math.max(...of));
        const newest = durationWords(of.at(-1)!);
        return of.length === 1
            ? `${command} took ${newest}`
            : `${of.length} of ${command} took ${from} to ${to}, the newest ${newest}`;
    });
    return `How long runs took: ${told.join('; ')}.`;
}
