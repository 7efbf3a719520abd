/* When each ran, or is expected to; dashed is a guess. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef } from 'react';
import type { Graph, GraphNode } from '../../logic/graph.ts';
import { barsOf, ticksOf, type Bar } from '../../logic/waterfall.ts';
import { durationWords, exactWords } from '../../logic/time.ts';
import { Go } from '../../parts/go.tsx';
import { Empty } from '../../parts/page.tsx';
import { lookOf, Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { useNow } from '../../parts/time.tsx';

const rowHeight = 26;

export function Waterfall(props: {
    graph: Graph;
    shown: readonly GraphNode[];
    chosen: number | undefined;
    href: (position: number) => string;
}) {
    const { graph, shown, chosen, href } = props;
    const now = useNow(5_000);
    const place = useRef<HTMLDivElement>(null);
    const bars = useMemo(() => {
        const wanted = new Set(shown.map((node) => node.position));
        return barsOf(graph, now).filter((bar) => wanted.has(bar.node.position));
    }, [graph, shown, now]);
    const from = Math.min(...bars.map((bar) => bar.startMs));
    const to = Math.max(...bars.map((bar) => bar.endMs), from + 1_000);
    const virtual = useVirtualizer({
        count: bars.length,
        getScrollElement: () => place.current,
        estimateSize: () => rowHeight,
        overscan: 20,
    });
    if (bars.length === 0)
        return (
            <Empty title="Nothing has run yet">
                Each node that runs becomes a bar here: when it began, how long it took, and what is
                expected to come after.
            </Empty>
        );
    const percent = (ms: number) => `${((ms - from) / (to - from)) * 100}%`;
    const isLate = (ms: number) => (ms - from) / (to - from) > 0.88;
    return (
        <div
            className="rows waterfall"
            ref={place}
            role="table"
            aria-label="Nodes over time"
            aria-rowcount={bars.length}
            tabIndex={0}
        >
            <div className="rows-head waterfall-line" role="row">
                <span role="columnheader">Node</span>
                <span
                    role="columnheader"
                    className="waterfall-axis"
                    aria-label="Time since the first began"
                >
                    {ticksOf(from, to).map((tick) => (
                        <span key={tick} style={{ left: percent(from + tick) }}>
                            {tick === 0 ? '0' : durationWords(tick)}
                        </span>
                    ))}
                </span>
            </div>
            <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
                {virtual.getVirtualItems().map((item) => {
                    const bar = bars[item.index]!;
                    return (
                        <div
                            key={bar.node.position}
                            role="row"
                            aria-rowindex={item.index + 1}
                            className="rows-row waterfall-line"
                            data-chosen={bar.node.position === chosen}
                            style={{ transform: `translateY(${item.start}px)`, height: rowHeight }}
                        >
                            <span role="cell" className="rows-cell">
                                <Go to={href(bar.node.position)} isPlain>
                                    <Name max={60}>{bar.node.component}</Name>
                                </Go>{' '}
                                <span className="quiet">
                                    <Name max={40}>{bar.node.stack}</Name>
                                </span>
                            </span>
                            <span
                                role="cell"
                                className="waterfall-place"
                                aria-label={wordsOf(bar)}
                                title={wordsOf(bar)}
                            >
                                <span
                                    className="waterfall-bar"
                                    data-kind={bar.kind}
                                    data-tone={lookOf(bar.node.state).tone}
                                    style={{
                                        left: percent(bar.startMs),
                                        width: `max(3px, calc(${percent(bar.endMs)} - ${percent(bar.startMs)}))`,
                                    }}
                                />
                                {bar.kind !== 'planned' && (
                                    <span
                                        className="waterfall-word"
                                        data-side={isLate(bar.endMs) ? 'inside' : 'beside'}
                                        style={{ left: percent(bar.endMs) }}
                                    >
                                        <Status state={bar.node.state} size={12} />
                                    </span>
                                )}
                            </span>
                        </div>
                    );
                })}
            </div>
        </div>
    );
}

function wordsOf({ node, kind, startMs, endMs }: Bar): string {
    const took = durationWords(endMs - startMs);
    const word = lookOf(node.state).word;
    if (kind === 'planned') return `${word}; expected to take ${took}`;
    if (kind === 'running')
        return `${word} since ${exactWords(startMs)}; usually ${durationWords(node.durationMs)}`;
    return `${word}; began ${exactWords(startMs)}, took ${took}`;
}
