/** Bars on a time axis: when a node ran, or is expected to. */
import type { Graph, GraphNode } from './graph.ts';
import { byLevel } from './levels.ts';
import { isEnded } from './states.ts';

export interface Bar {
    node: GraphNode;
    startMs: number;
    endMs: number;
    /** planned: a guess by usual times, drawn dashed. */
    kind: 'done' | 'running' | 'planned';
}

/**
 * What ran, with its times; what will, after all that it waits for, with its usual time; what never ran (skipped, superseded) has no
 * bar. Nobody knows how many runners there are: the plan is the earliest.
 */
export function barsOf(graph: Graph, nowMs: number, usualMs = 60_000): Bar[] {
    const bars: Bar[] = [];
    const ends = new Map<number, number>();
    for (const { nodes } of byLevel(graph.nodes))
        for (const node of nodes) {
            const usual = node.durationMs > 0 ? node.durationMs : usualMs;
            if (node.startedMs !== null && (node.endedMs !== null || isEnded(node.state))) {
                const endMs = Math.max(node.startedMs, node.endedMs ?? node.startedMs);
                ends.set(node.position, endMs);
                bars.push({ node, startMs: node.startedMs, endMs, kind: 'done' });
            } else if (node.startedMs !== null) {
                const endMs = Math.max(nowMs, node.startedMs + usual);
                ends.set(node.position, endMs);
                bars.push({ node, startMs: node.startedMs, endMs, kind: 'running' });
            } else if (!isEnded(node.state)) {
                let startMs = nowMs;
                for (const parent of graph.parents.get(node.position) ?? [])
                    startMs = Math.max(startMs, ends.get(parent) ?? nowMs);
                ends.set(node.position, startMs + usual);
                bars.push({ node, startMs, endMs: startMs + usual, kind: 'planned' });
            }
        }
    return bars.sort(
        (a, b) => a.startMs - b.startMs || a.endMs - b.endMs || a.node.position - b.node.position,
    );
}

/** Three to eight marks at round times. */
export function ticksOf(fromMs: number, toMs: number): number[] {
    const span = Math.max(1, toMs - fromMs);
    const steps = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    ];
    const step =
        (steps.find((seconds) => span / (seconds * 1000) <= 7) ??
            Math.ceil(span / 7 / 86_400_000) * 86400) * 1000;
    const ticks: number[] = [];
    for (let at = 0; at <= span; at += step) ticks.push(at);
    return ticks;
}
