/* plan, apply, detect, remediate: what a run does, at a glance. */
import {
    IconCheckbox,
    IconEye,
    IconPencil,
    IconTool,
    IconTerminal2,
    type Icon,
} from '@tabler/icons-react';

const icons: Record<string, Icon> = {
    plan: IconPencil,
    apply: IconCheckbox,
    detect: IconEye,
    remediate: IconTool,
};

export function Command(props: { command: string }) {
    if (props.command === '') return <span className="quiet">–</span>;
    const Icon = icons[props.command] ?? IconTerminal2;
    return (
        <span className="badge">
            <Icon
                size={12}
                stroke={1.8}
                aria-hidden
                style={{ verticalAlign: -1.5, marginRight: 4 }}
            />
            {props.command.slice(0, 24)}
        </span>
    );
}
