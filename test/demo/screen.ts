/* Live progress: a bar and a table that redraws in place on a terminal, plain lines everywhere else. */
import type { Node } from './api.ts';
import { components, stacks } from './sample.ts';

const looks: Record<string, { mark: string; word: string; colour: number }> = {
    waiting: { mark: '·', word: 'waiting', colour: 90 },
    ready: { mark: '·', word: 'ready', colour: 90 },
    locked: { mark: '⊘', word: 'locked', colour: 33 },
    dispatching: { mark: '↑', word: 'sending', colour: 36 },
    queued: { mark: '…', word: 'queued', colour: 36 },
    running: { mark: '▶', word: 'running', colour: 36 },
    success: { mark: '✓', word: 'done', colour: 32 },
    failure: { mark: '✗', word: 'FAILED', colour: 31 },
};
const bar_width = 40;

export class Screen {
    readonly isLive: boolean;
    private height = 0;
    private last = new Map<string, string>();

    constructor() {
        this.isLive = process.stdout.isTTY === true && !process.env['NO_COLOR'] && !process.env['CI'];
    }

    /** A sentence of the story; it stays. */
    say(text: string): void {
        this.height = 0;
        console.log(this.isLive ? `\x1b[1m${text}\x1b[0m` : text);
    }

    progress(title: string, nodes: Node[]): void {
        if (this.isLive) this.draw(title, nodes);
        else this.log(title, nodes);
    }

    /** Many at once: one line, drawn again. */
    bar(title: string, done: number, failed: number, total: number): void {
        if (!this.isLive) return;
        process.stdout.write(`${this.height > 0 ? '\x1b[1A' : ''}\x1b[2K${this.barOf(title, done, failed, total)}\n`);
        this.height = 1;
    }

    /** What comes next starts below the table. */
    settle(): void {
        this.height = 0;
        this.last.clear();
    }

    private log(title: string, nodes: Node[]): void {
        for (const node of nodes) {
            const key = `${node.stack} ${node.component}`;
            const now = `${node.state} ${node.attempt}`;
            const before = this.last.get(key);
            this.last.set(key, now);
            if (before !== now && before !== undefined && ['running', 'failure', 'success'].includes(node.state))
                console.log(`${title}: ${node.component} in ${node.stack}: ${looks[node.state]!.word}`);
        }
    }

    private draw(title: string, nodes: Node[]): void {
        const count = (state: string) => nodes.filter((node) => node.state === state).length;
        const lines = [this.barOf(title, count('success'), count('failure'), nodes.length), '', `  ${''.padEnd(16)}${stacks.map((stack) => stack.padEnd(20)).join('')}`];
        for (const component of components) {
            const cells = stacks.map((stack) => this.cell(nodes.find((node) => node.stack === stack && node.component === component)));
            lines.push(`  ${component.padEnd(16)}${cells.join('')}`);
        }
        const up = this.height > 0 ? `\x1b[${this.height}A` : '';
        process.stdout.write(up + lines.map((line) => `\x1b[2K${line}\n`).join(''));
        this.height = lines.length;
    }

    private barOf(title: string, done: number, failed: number, total: number): string {
        const cells = (n: number) => '█'.repeat(Math.round((n * bar_width) / Math.max(1, total)));
        const rest = '░'.repeat(Math.max(0, bar_width - cells(done).length - cells(failed).length));
        return `  ${title.padEnd(8)}\x1b[32m${cells(done)}\x1b[31m${cells(failed)}\x1b[90m${rest}\x1b[0m ${done + failed}/${total}`;
    }

    private cell(node: Node | undefined): string {
        if (!node) return ''.padEnd(20);
        const look = looks[node.state] ?? { mark: '!', word: node.state, colour: 33 };
        const attempt = node.attempt > 1 ? ` (${node.attempt})` : '';
        return `\x1b[${look.colour}m${(look.mark + ' ' + look.word + attempt).padEnd(20)}\x1b[0m`;
    }
}
