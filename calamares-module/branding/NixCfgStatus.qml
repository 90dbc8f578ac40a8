/* The live status of nix-cfg-install at the foot of the slideshow: the phase, how far it is, what is being worked on.
 * The module `nixos` puts it into globalStorage. Calamares 3.3 and 3.4. */

import QtQuick 2.15
import io.calamares.core 1.0 as Core

Rectangle {
    id: status

    // What the module said last, and for how many seconds it has said nothing else: a long build has no steps to count.
    property var said: ({})
    property int since: 0

    anchors.bottom: parent.bottom
    anchors.left: parent.left
    anchors.right: parent.right
    height: lines.height + 16
    z: 10
    color: "#f2f2f2"
    visible: !!said.phase

    Connections {
        target: Core.Global

        // Later: Calamares emits this with the lock of its globalStorage held (3.3.14), and the pages write to it from this
        // very thread. Reading it here would wait for ever.
        function onChanged() {
            Qt.callLater(status.read);
        }
    }

    function read() {
        const value = Core.Global.value("nixCfgInstall");
        if (JSON.stringify(value) !== JSON.stringify(status.said)) {
            status.said = value ? value : {};
            status.since = 0;
        }
    }

    Timer {
        interval: 1000
        repeat: true
        running: status.visible
        onTriggered: status.since += 1
    }

    Column {
        id: lines

        anchors.left: parent.left
        anchors.right: parent.right
        anchors.margins: 12
        anchors.verticalCenter: parent.verticalCenter
        spacing: 2

        Text {
            width: parent.width
            elide: Text.ElideRight
            color: "#292f34"
            font.bold: true
            text: (status.said.phase || "") + (status.said.text ? ": " + status.said.text : "")
        }

        Text {
            width: parent.width
            elide: Text.ElideMiddle
            color: "#5f676d"
            // A line of its own even when it is empty: the foot keeps its height.
            text: (status.said.item || " ") + (status.since >= 3 ? " (for " + status.since + " s)" : "")
        }
    }
}
