/* All nodes, level by level. The order is by name: it does not move while states do. */
import { UnstyledButton } from '@mantine/core';
import { IconChevronRight } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import type { Graph, GraphNode } from '../../logic/graph.ts';
import { byLevel, tableRows, type Level } from '../../logic/levels.ts';
import { inBarOrder, progressOf } from '../../logic/states.ts';
import { Command } from '../../parts/command.tsx';
import { Go } from '../../parts/go.tsx';
import { Rows, type Column, type Item } from '../../parts/rows.tsx';
import { lookOf, Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { NodeTime, NodeWhy, PlanCounts } from './cells.tsx';

export function NodeTable(props: {
    graph: Graph;
    nodes: readonly GraphNode[];
    chosen: number | undefined;
    /** The panel is open beside it: less is shown. */
    isNarrow: boolean;
    href: (position: number) => string;
    choose: (position: number) => void;
}) {
    const { graph, nodes, href, isNarrow } = props;
    const [shut, setShut] = useState<ReadonlySet<number>>(new Set());
    const levels = useMemo(() => byLevel(nodes), [nodes]);
    const items = useMemo<Item<GraphNode>[]>(() => {
        const toggle = (level: number) =>
            setShut((before) => {
                const next = new Set(before);
                if (!next.delete(level)) next.add(level);
                return next;
            });
        return tableRows(levels, shut).map((row) =>
            row.kind === 'node'
                ? row.node
                : {
                      group: String(row.level.level),
                      title: <LevelLine level={row.level} isOpen={row.isOpen} toggle={toggle} />,
                  },
        );
    }, [levels, shut]);
    const columns = useMemo<Column<GraphNode>[]>(() => {
        const state: Column<GraphNode> = {
            key: 'state',
            title: 'State',
            width: '132px',
            show: (node) => (
                <span className="node-state">
                    <Status state={node.state} />
                    {node.attempt > 1 && (
                        <span className="quiet" title={`Attempt ${node.attempt}`}>
                            ×{node.attempt}
                        </span>
                    )}
                </span>
            ),
        };
        const component: Column<GraphNode> = {
            key: 'component',
            title: 'Component',
            width: 'minmax(150px, 2fr)',
            show: (node) => (
                <Go to={href(node.position)} isPlain>
                    <Name max={120}>{node.component}</Name>
                </Go>
            ),
        };
        const stack: Column<GraphNode> = {
            key: 'stack',
            title: 'Stack',
            width: 'minmax(120px, 1.2fr)',
            show: (node) => <Name max={80}>{node.stack}</Name>,
        };
        const time: Column<GraphNode> = {
            key: 'time',
            title: 'Time',
            width: '90px',
            align: 'right',
            show: (node) => <NodeTime node={node} />,
        };
        if (isNarrow) return [state, component, stack, time];
        return [
            state,
            component,
            stack,
            {
                key: 'why',
                title: 'Why',
                width: 'minmax(140px, 2fr)',
                show: (node) => <NodeWhy node={node} graph={graph} />,
            },
            {
                key: 'plan',
                title: 'Changes',
                width: '96px',
                show: (node) => <PlanCounts counts={node.counts} />,
            },
            {
                key: 'command',
                title: 'Command',
                width: '92px',
                show: (node) => <Command command={node.command} />,
            },
            time,
        ];
    }, [graph, href, isNarrow]);
    return (
        <Rows
            label="Nodes by level"
            items={items}
            columns={columns}
            keyOf={(node) => String(node.position)}
            chosenKey={props.chosen === undefined ? undefined : String(props.chosen)}
            open={(node) => props.choose(node.position)}
            rowHeight={34}
        />
    );
}

function LevelLine(props: { level: Level; isOpen: boolean; toggle: (level: number) => void }) {
    const { level, isOpen, toggle } = props;
    const { done, of } = progressOf(level.counts);
    const notable = inBarOrder(level.counts).filter(
        ([state]) => state !== 'success' && state !== 'waiting',
    );
    return (
        <UnstyledButton
            className="level-line"
            aria-expanded={isOpen}
            onClick={() => toggle(level.level)}
        >
            <IconChevronRight size={14} aria-hidden data-open={isOpen} />
            Level {level.level + 1}
            <span className="quiet">
                {done.toLocaleString('en')} of {of.toLocaleString('en')} ended
                {notable
                    .map(
                        ([state, count]) =>
                            ` · ${count.toLocaleString('en')} ${lookOf(state).word}`,
                    )
                    .join('')}
            </span>
        </UnstyledButton>
    );
}
