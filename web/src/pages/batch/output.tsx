/* What a run wrote: its end first, since that is what people look for. */
import { Anchor, Button, Group } from '@mantine/core';
import { useEffect, useRef, useState, type RefObject } from 'react';
import { plainText, readAnsi } from '../../logic/ansi.ts';
import { Output } from '../../parts/ansi.tsx';

export function RunOutput(props: { text: string; isCut: boolean; runId: string; label: string }) {
    const { text, isCut, runId, label } = props;
    const place = useRef<HTMLDivElement>(null);
    useEffect(() => {
        const box = place.current?.querySelector('.ansi');
        if (box) box.scrollTop = box.scrollHeight;
    }, [runId]);
    return (
        <div ref={place} className="run-output">
            <Output text={text} label={label} />
            <Group gap={12} mt={4}>
                <CopyText key={runId} text={text} place={place} />
                {isCut && (
                    <Anchor
                        size="xs"
                        href={`/api/v1/runs/${encodeURIComponent(runId)}/output`}
                        target="_blank"
                        rel="noreferrer"
                    >
                        The whole of it, as text
                    </Anchor>
                )}
            </Group>
        </div>
    );
}

/** Without colours; made only when it is asked for. Over plain HTTP a page may not write to the clipboard: then it is selected. */
function CopyText(props: { text: string; place: RefObject<HTMLDivElement | null> }) {
    const { text, place } = props;
    const [said, setSaid] = useState('Copy');
    const copy = async () => {
        if (navigator.clipboard) {
            await navigator.clipboard.writeText(plainText(readAnsi(text)));
            setSaid('Copied');
            return;
        }
        const box = place.current?.querySelector('.ansi');
        if (box) window.getSelection()?.selectAllChildren(box);
        setSaid('Selected: press Ctrl+C');
    };
    return (
        <Button variant="subtle" size="compact-xs" onClick={() => void copy()}>
            {said}
        </Button>
    );
}
