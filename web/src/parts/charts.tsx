/* Lines over time. The library comes when the first chart is shown. */
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import type { AlignedData, Options } from 'uplot';

export interface Line {
    label: string;
    /** A colour variable of app/theme.ts, e.g. --tone-busy. */
    tone: string;
    values: (number | null)[];
}

export function Chart(props: {
    at_ms: number[];
    lines: Line[];
    height?: number;
    label: string;
    unit?: string;
}) {
    const place = useRef<HTMLDivElement>(null);
    const scheme = useComputedColorScheme();
    const { at_ms, lines, height = 160, unit = '' } = props;
    useEffect(() => {
        const box = place.current;
        if (!box) return undefined;
        let gone = false;
        let remove = () => {};
        void Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')]).then(
            ([{ default: UPlot }]) => {
                if (gone) return;
                const tone = (name: string) =>
                    getComputedStyle(box).getPropertyValue(name).trim() || '#888';
                const axis = {
                    stroke: tone('--mantine-color-dimmed'),
                    grid: { stroke: tone('--line'), width: 1 },
                    ticks: { stroke: tone('--line'), width: 1 },
                    font: '11px system-ui',
                };
                const options: Options = {
                    width: box.clientWidth,
                    height,
                    tzDate: (ts) => UPlot.tzDate(new Date(ts * 1000), 'Etc/UTC'),
                    legend: { show: lines.length > 1 },
                    cursor: { drag: { x: false, y: false } },
                    scales: { y: { range: (_, _least, most) => [0, most * 1.1 || 1] } },
                    axes: [
                        axis,
                        {
                            ...axis,
                            values: (_, values) => values.map((value) => `${value} ${unit}`),
                        },
                    ],
                    series: [
                        { value: '{YYYY}-{MM}-{DD} {HH}:{mm}' },
                        ...lines.map((line) => ({
                            label: line.label,
                            stroke: tone(line.tone),
                            width: 1.5,
                            spanGaps: true,
                            points: { show: true, size: 5 },
                            value: (_: unknown, value: number | null) =>
                                value === null ? '–' : `${Math.round(value * 10) / 10} ${unit}`,
                        })),
                    ],
                };
                const data = [
                    at_ms.map((ms) => ms / 1000),
                    ...lines.map((line) => line.values),
                ] as AlignedData;
                const chart = new UPlot(options, data, box);
                const watch = new ResizeObserver(() =>
                    chart.setSize({ width: box.clientWidth, height }),
                );
                watch.observe(box);
                remove = () => {
                    watch.disconnect();
                    chart.destroy();
                };
            },
        );
        return () => {
            gone = true;
            remove();
        };
    }, [at_ms, lines, height, unit, scheme]);
    return <div ref={place} role="img" aria-label={props.label} style={{ minHeight: height }} />;
}
