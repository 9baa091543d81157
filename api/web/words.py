"""What codes of the domain are called on a page; a code without words is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping


def N_(text: str) -> str:  # noqa: N802 - the name by which catalogues are extracted
    """Mark a text for the catalogues; it is translated where it is shown."""
    return text


HEALTH_NOW: Mapping[str, str] = {
    "PROVEN": N_("La plateforme peut recevoir les dépôts : les essais le prouvent."),
    "FAILED": N_("Un essai vital vient d'échouer, ou un incident est déclaré."),
    "UNPROVEN": N_("Aucun essai récent ne prouve que la plateforme peut recevoir."),
}
PROBES: Mapping[str, str] = {
    "DEPOSIT": N_("Déposer un pli d'essai"),
    "DOWNLOAD": N_("Télécharger une pièce"),
    "LOGIN": N_("Se connecter"),
    "LINK": N_("Pages des consultations ouvertes"),
    "STORAGE": N_("Écrire sur le disque et dans le registre"),
    "CLOCK": N_("Lire l'heure"),
}
EVIDENCE: Mapping[str, str] = {
    "PROVEN": N_("Prouvé : la plateforme pouvait recevoir pendant toute la période."),
    "FAILED": N_("Défaillance : pendant la période, la plateforme a failli."),
    "UNPROVEN": N_("Non prouvé : rien n'établit que la plateforme pouvait recevoir."),
}
GROUNDS: Mapping[str, str] = {
    "PROBE": N_("essai échoué"),
    "LINK": N_("page muette"),
    "INCIDENT": N_("incident déclaré"),
    "SERVER": N_("panne de la plateforme"),
}
EXTENTS: Mapping[str, str] = {
    "PLATFORM": N_("toute la plateforme"),
    "DEPOSIT": N_("les dépôts"),
    "DOWNLOAD": N_("les téléchargements"),
    "LOGIN": N_("les connexions"),
    "PAGES": N_("les pages"),
}
PHASES: Mapping[str, str] = {
    "OPEN": N_("Ouverte aux dépôts"),
    "SUSPENDED": N_("Suspendue"),
    "CLOSED": N_("Close, plis non ouverts"),
    "OPENED": N_("Plis ouverts"),
    "ENDED": N_("Déclarée sans suite"),
}
NATURES: Mapping[str, str] = {
    "WORKS": N_("Travaux"),
    "SUPPLIES": N_("Fournitures"),
    "SERVICES": N_("Services"),
}
PROCEDURES: Mapping[str, str] = {
    "ADAPTED": N_("Procédure adaptée (MAPA)"),
    "OPEN": N_("Appel d'offres ouvert"),
    "RESTRICTED": N_("Appel d'offres restreint"),
    "NEGOTIATED": N_("Procédure avec négociation"),
    "DIALOGUE": N_("Dialogue compétitif"),
    "NO_PUBLICITY": N_("Marché sans publicité ni mise en concurrence préalables"),
}
COMPLEMENTS: Mapping[str, str] = {
    "NONE": N_("Un dépôt peut être remplacé, jamais complété."),
    "APPLICATION": N_("Un dépôt peut être remplacé ; seule une candidature peut être complétée."),
    "ALL": N_("Un dépôt peut être remplacé ou complété."),
}
PLACEMENTS: Mapping[str, str] = {
    "A0": N_(
        "Les gardiens appartiennent tous à l'organisation de la plateforme : cela protège d'un vol "
        "de la base de données, pas de l'exploitant lui-même."
    ),
    "A1": N_(
        "Les gardiens appartiennent à plusieurs organisations : aucune ne peut ouvrir un pli "
        "seule, aucune ne peut empêcher seule l'ouverture."
    ),
}
SESSIONS: Mapping[str, str] = {
    "CONVENED": N_("Séance convoquée"),
    "PLANNED": N_("Plan d'ouverture arrêté"),
    "WITNESSED": N_("Plan arrêté et ancré dans le registre"),
    "UNLOCKED": N_("Ouverture en cours"),
    "COMPLETED": N_("Séance terminée"),
}
VERDICTS: Mapping[str, str] = {
    "open": N_("À ouvrir"),
    "superseded": N_("Remplacé par un dépôt ultérieur"),
    "withdrawn": N_("Retiré par son déposant"),
    "late": N_("Hors délai, gardé scellé"),
    "undetermined": N_("À trancher par une personne"),
}
STATES: Mapping[str, str] = {
    "OPENED": N_("Ouvert"),
    "UNREADABLE": N_("Illisible"),
    "QUARANTINED": N_("En quarantaine"),
    "SEALED": N_("Scellé"),
    "LATE": N_("Scellé"),
    "WITHDRAWN": N_("Scellé"),
    "SUPERSEDED": N_("Scellé"),
    "KEPT_CLOSED": N_("Scellé"),
}
DEPOSIT_KINDS: Mapping[str, str] = {
    "APPLICATION": N_("Candidature"),
    "OFFER": N_("Offre"),
    "BOTH": N_("Candidature et offre"),
    "FINAL_OFFER": N_("Offre finale"),
}
MEDIA: Mapping[str, str] = {
    "PAPER": N_("Papier"),
    "USB": N_("Support numérique"),
    "ELECTRONIC": N_("Électronique"),
}
BACKUP_GROUNDS: Mapping[str, str] = {
    "MALWARE": N_("programme malveillant dans le pli"),
    "INCOMPLETE": N_("pli incomplet ou envoi interrompu, commencé dans les délais"),
    "LATE": N_("pli déposé hors délai, envoi commencé dans les délais"),
    "UNREADABLE": N_("pli illisible"),
}
ASIDE_REASONS: Mapping[str, str] = {
    "MALWARE": N_("programme malveillant dans la copie"),
    "LATE": N_("copie arrivée hors délai"),
    "UNLABELLED": N_("mention « copie de sauvegarde » absente"),
    "NO_GROUND": N_("aucun des quatre motifs"),
}
COPY_REFUSALS: Mapping[str, str] = {
    "backup.no-ground": N_("aucun des quatre motifs"),
    "backup.late": N_("copie arrivée hors délai"),
    "backup.unlabelled": N_("mention « copie de sauvegarde » absente"),
    "backup.malware": N_("programme malveillant dans la copie"),
}
COPY_STATES: Mapping[str, str] = {
    "RECEIVED": N_("Fermée"),
    "AUTHORISED": N_("À ouvrir"),
    "OPENED": N_("Ouverte"),
    "UNREADABLE": N_("Illisible"),
    "SET_ASIDE": N_("Écartée, fermée"),
    "DESTROYED": N_("Détruite"),
}
OUTSIDE_ITEMS: Mapping[str, str] = {
    "SAMPLE": N_("Échantillon"),
    "MODEL": N_("Maquette"),
    "PAPER_EXCEPTION": N_("Pli papier admis par exception"),
    "OFFER_OUTSIDE_PLATFORM": N_("Offre arrivée hors de la plateforme"),
}
FAULTS: Mapping[str, str] = {
    "DEPOSITOR": N_("les octets étaient déjà faux à leur arrivée"),
    "STORAGE": N_("les octets conservés ne sont plus ceux qui ont été reçus"),
    "CUSTODY": N_("trop de parts de clé sont perdues"),
}
NOT_SCANNED: Mapping[str, str] = {
    "none": N_("aucun antivirus n'est configuré"),
    "silent": N_("l'antivirus n'a pas répondu"),
    "answer": N_("l'antivirus a donné une réponse inconnue"),
    "size": N_("un document dépasse ce que l'antivirus accepte"),
    "gone": N_("les traces de l'analyse ont été effacées avec l'acheteur"),
}
CAPACITIES: Mapping[str, str] = {
    "TITULAR": N_("titulaire"),
    "SUBSTITUTE": N_("suppléant"),
    "ADVISORY": N_("voix consultative"),
}
ROLES: Mapping[str, str] = {
    "DR": N_("rédacteur"),
    "BU": N_("acheteur"),
    "CU": N_("gardien de clé"),
    "CO": N_("membre de la commission"),
    "SI": N_("signataire"),
    "FI": N_("finances"),
    "AC": N_("comptable public"),
    "CY": N_("entreprise"),
    "PA": N_("administrateur de la plateforme"),
    "AU": N_("auditeur"),
    "OB": N_("observatoire"),
    "PR": N_("préfecture"),
    "AD": N_("conseiller"),
    "RD": N_("bureau d'ordre"),
}
BASES: Mapping[str, str] = {
    "GRANT": N_("donné"),
    "ELECTION": N_("élu"),
    "DELEGATION": N_("délégué"),
}
ACT_TYPES: Mapping[str, str] = {
    "AMENDMENT": N_("avenant"),
    "CONTRACT": N_("marché"),
    "REJECTION": N_("lettre de rejet"),
    "SERVICE_ORDER": N_("ordre de service"),
}
ACTS: Mapping[str, str] = {
    "open envelopes": N_("ouvrir les plis"),
    "release an opening share": N_("donner sa part de clé à l'ouverture"),
    "convene, record presence, minutes": N_("convoquer la séance et en dresser le procès-verbal"),
    "draft consultation": N_("préparer une consultation"),
    "publish, correct, extend, end": N_("publier, corriger, prolonger, terminer"),
    "read an opened bid": N_("lire un pli ouvert"),
    "register backup copy or sample": N_("inscrire une copie de sauvegarde ou un échantillon"),
    "admit late, open backup copy": N_("admettre un pli tardif, ouvrir une copie de sauvegarde"),
    "delegate the signature": N_("déléguer la signature"),
    "grant roles": N_("donner des rôles"),
    "grant access": N_("ouvrir un accès"),
}
BUYER_KINDS: Mapping[str, str] = {
    "COMMUNE": N_("Commune"),
    "EPCI": N_("Intercommunalité"),
    "DEPARTMENT": N_("Département"),
    "REGION": N_("Région"),
    "STATE": N_("État"),
    "HOSPITAL": N_("Établissement de santé"),
    "HOUSING": N_("Bailleur social"),
    "OTHER": N_("Autre"),
}
SIZE_CLASSES: Mapping[str, str] = {
    "UNKNOWN": N_("Non précisée"),
    "TPE": N_("Très petite entreprise"),
    "PME": N_("Petite ou moyenne entreprise"),
    "ETI": N_("Entreprise de taille intermédiaire"),
    "GE": N_("Grande entreprise"),
}
CONSORTIUM_FORMS: Mapping[str, str] = {
    "JOINT": N_("Conjoint"),
    "SEVERAL": N_("Solidaire"),
}
METHODS: Mapping[str, str] = {
    "password": N_("mot de passe"),
    "passkey": N_("clé d'accès"),
    "oidc": N_("service d'identité"),
}
SCOPES: Mapping[str, str] = {
    "read": N_("lire"),
    "write": N_("agir"),
    "open": N_("ouvrir, signer et donner des droits"),
}
PURPOSES: Mapping[str, str] = {
    "CLOSING": N_("Clôture d'une consultation"),
    "DAILY": N_("Ancrage quotidien"),
}
KINDS: Mapping[str, str] = {
    "ConsultationDrafted": N_("Consultation préparée"),
    "LotDefined": N_("Lot défini"),
    "CriteriaSet": N_("Critères de jugement fixés"),
    "CalendarSet": N_("Calendrier fixé"),
    "TechnicalLimitsSet": N_("Limites techniques fixées"),
    "DepositPolicySet": N_("Règles de dépôt fixées"),
    "ConsultationPublished": N_("Consultation publiée"),
    "LimitsCorrected": N_("Limites techniques relevées"),
    "DossierCorrected": N_("Dossier de consultation modifié"),
    "DeadlineExtended": N_("Date limite reculée"),
    "ExtensionWaived": N_("Modification sans report, motivée"),
    "ConsultationSuspended": N_("Consultation suspendue"),
    "ConsultationResumed": N_("Consultation reprise"),
    "DeadlineReached": N_("Date limite atteinte"),
    "RegisterListed": N_("Registre des dépôts dressé"),
    "RegisterClosed": N_("Registre des dépôts clos"),
    "DossierFilesListed": N_("Fichiers du dossier listés"),
    "DossierVersionFrozen": N_("Version du dossier figée"),
    "DossierDownloaded": N_("Dossier téléchargé"),
    "CustodianAppointed": N_("Gardien de clé désigné"),
    "KeyCeremonyCompleted": N_("Clé de la consultation attribuée"),
    "CanaryDecrypted": N_("Pli d'essai ouvert de bout en bout"),
    "ProofOfLifeGiven": N_("Preuve de vie d'un gardien"),
    "ProofOfLifeMissed": N_("Preuve de vie manquante"),
    "ShareReportedLost": N_("Part de clé déclarée perdue"),
    "KeysetRetired": N_("Clé retirée"),
    "ShareDestroyed": N_("Part de clé détruite"),
    "OpeningConvened": N_("Séance d'ouverture convoquée"),
    "PresenceRecorded": N_("Présence constatée"),
    "OpeningPlanFixed": N_("Plan d'ouverture arrêté"),
    "CheckpointAnchored": N_("Point de contrôle publié rattaché à la séance"),
    "CustodyQuorumReached": N_("Quorum des gardiens atteint"),
    "CustodyQuorumMissed": N_("Quorum des gardiens manqué"),
    "OpeningShareReleased": N_("Réponse d'un gardien pour un pli"),
    "OpeningCompleted": N_("Séance d'ouverture terminée"),
    "OpeningRefused": N_("Tentative d'ouverture refusée"),
    "CustodianRefused": N_("Refus signé d'un gardien"),
    "DepositSealed": N_("Pli reçu dans les délais"),
    "LateDepositRecorded": N_("Pli reçu hors délai"),
    "LateDepositAdmitted": N_("Pli tardif admis, décision motivée"),
    "LateDepositRejected": N_("Pli tardif écarté, décision motivée"),
    "DepositSuperseded": N_("Pli remplacé"),
    "DepositWithdrawn": N_("Pli retiré"),
    "EnvelopeOpened": N_("Pli ouvert"),
    "EnvelopeUnreadable": N_("Pli illisible"),
    "MalwareDetected": N_("Logiciel malveillant trouvé dans un pli ouvert"),
    "TransmissionStarted": N_("Envoi commencé"),
    "FeasibilityRefused": N_("Envoi refusé avant le premier octet : limite publiée dépassée"),
    "TransmissionFailed": N_("Envoi échoué"),
    "TransmissionExpired": N_("Envoi abandonné"),
    "TransmissionCompleted": N_("Envoi complet"),
}
REFUSALS: Mapping[str, str] = {
    "opening.too-early": N_("Trop tôt : la date limite n'était pas certainement passée"),
    "too-early": N_("Trop tôt selon l'horloge du gardien"),
    "opening.not-in-plan": N_("Ce pli ne figure pas dans le plan d'ouverture"),
    "not-listed": N_("Ce pli ne figure pas au registre des dépôts"),
    "not-planned": N_("Aucun plan d'ouverture ne contient ce pli"),
    "opening.order": N_("Une étape de la séance manquait"),
    "opening.not-allowed": N_("Cette personne n'avait pas le droit d'ouvrir"),
}
RECEIPT_STEPS: Mapping[str, str] = {
    "form": N_("Le fichier est un accusé de réception complet et bien formé."),
    "signature": N_("Il porte la signature du registre, et rien n'a été changé depuis."),
    "witnesses": N_("Assez de témoins ont contresigné l'état du registre qu'il montre."),
    "entry": N_("L'écriture qu'il contient est bien formée, sans ambiguïté possible."),
    "inclusion": N_("Cette écriture figure bien dans le registre signé, à sa place."),
}
RECEIPT_REFUSALS: Mapping[str, str] = {
    "form": N_("Ce n'est pas un accusé de réception, ou il a été tronqué ou modifié."),
    "signature": N_("La signature du registre manque ou ne correspond pas : n'y croyez pas."),
    "witnesses": N_("Trop peu de témoins ont contresigné."),
    "entry": N_("L'écriture a été modifiée."),
    "inclusion": N_("L'écriture ne mène pas à la racine signée : elle a été changée ou déplacée."),
}
