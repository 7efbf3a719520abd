/* Runs a program to its end, with a limit in time, and keeps what it said. */
import { spawn } from 'node:child_process';

export interface Ended {
    code: number | null;
    signal: NodeJS.Signals | null;
    isLate: boolean;
    stdout: string;
    output: string;
}

export interface Order {
    cwd: string;
    env: NodeJS.ProcessEnv;
    timeoutMs: number;
}

/** Each program has a process group of its own, so that all it started can be stopped with it; also when we are stopped. */
const groups = new Set<number>();
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const)
    process.once(signal, () => {
        for (const group of groups) killGroup(group);
        process.exit(code);
    });

function killGroup(group: number): void {
    try {
        process.kill(-group, 'SIGKILL');
    } catch {
        // It ended in this moment.
    }
}

export function run(command: string, args: string[], order: Order): Promise<Ended> {
    return new Promise((resolve) => {
        const child = spawn(command, args, {
            cwd: order.cwd,
            env: order.env,
            stdio: ['ignore', 'pipe', 'pipe'],
            detached: true,
        });
        if (child.pid !== undefined) groups.add(child.pid);
        let stdout = '';
        let output = '';
        let isLate = false;
        const timer = setTimeout(() => {
            isLate = true;
            output += `\nstopped: it took longer than ${order.timeoutMs / 1000} s\n`;
            if (child.pid !== undefined) killGroup(child.pid);
        }, order.timeoutMs);
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
            stdout += text;
            output += text;
        });
        child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
        child.on('error', (error) => (output += `${command}: ${error.message}\n`));
        child.on('close', (code, signal) => {
            clearTimeout(timer);
            if (child.pid !== undefined) groups.delete(child.pid);
            resolve({ code, signal, isLate, stdout, output });
        });
    });
}
